using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <content>The machine: engine, size, network.</content>
internal sealed partial class JobFileReader
{
    private Fields? ReadRunner(YamlValue value) =>
        value.IsNull ? null : Fields.Read(value, "\"runner\"", Vocabulary.Runner, problems);

    /// <summary><paramref name="job"/> with what <paramref name="runner"/> and the timeout say.</summary>
    private Job ApplyRunner(Fields? runner, Fields jobFields, Job job)
    {
        var timeout = ReadTimeout(jobFields);
        if (runner is not null)
        {
            if (jobFields.Has("timeout") && runner.Has("timeout"))
            {
                problems.Add(runner.PositionOf("timeout"), "\"timeout\" is also under \"job\"; drop one of them");
            }

            timeout ??= ReadTimeout(runner);
            job = job with
            {
                Machine = RunnerFields.Machine(runner, new(), problems) with { KernelPath = ReadKernel(runner) },
                Network = RunnerFields.Network(runner, problems) ?? NetworkRequest.OpenInternet,
            };
        }

        return timeout is { } limit ? job with { Timeout = limit } : job;
    }

    private string? ReadKernel(Fields runner)
    {
        if (runner.Text("kernel") is not { } path) return null;
        var kernel = context.Resolve(path);
        if (!File.Exists(kernel)) problems.Add(runner["kernel"]!.Position, $"\"kernel\": there is no file {Quoted.Path(kernel)}");
        return kernel;
    }
}
