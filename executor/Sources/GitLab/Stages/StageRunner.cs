using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Traces;

namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>Runs a job's stages in its machine: each a section of the log, most a script in a shell of its own.</summary>
internal sealed class StageRunner(GuestSession guest, Job job, JobTrace trace, JobLog log, TimeProvider time)
{
    private int _count;

    public GuestSession Guest => guest;

    /// <summary>Begins a stage that is not a script. Dispose it at its end.</summary>
    public async Task<OpenStage> OpenAsync(string name)
    {
        var index = _count++;
        var section = await trace.OpenSectionAsync(name, StageNames.Title(name));
        await log.StepStartedAsync(index, name);
        return new(this, section, index, name);
    }

    /// <summary>Runs a script as a stage.</summary>
    /// <exception cref="OperationCanceledException">It was abandoned: there is no machine to go on with.</exception>
    public async Task<StageResult> RunAsync(string name, string script, StopRequest stop)
    {
        await using var stage = await OpenAsync(name);
        return await RunScriptAsync(script, stop);
    }

    /// <summary>Runs a script inside a stage. It travels as a file: a script may be as long as a request may not.</summary>
    public async Task<StageResult> RunScriptAsync(string script, StopRequest stop)
    {
        var file = $"script-{_count}";
        await guest.SendAsync(GuestPaths.Memory, [new(file, Encoding.UTF8.GetBytes(script))], stop.Abandoned);
        var path = $"{GuestPaths.Memory}/{file}";
        var request = new ExecRequest
        {
            Candidates = [["bash", "--noprofile", "--norc", path], ["sh", path]],
            Environment = [],
        };
        var result = await guest.ExecAsync(request, WriteAsync, stop);
        var code = result.ExitCode ?? (result.Signal is { } signal ? 128 + signal : 127);
        return new(code, StepSequence.Diagnose(job, result, code));
    }

    private ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> bytes) =>
        trace.WriteAsync(stream == OutputStream.StandardOutput ? TraceStream.JobOutput : TraceStream.JobError, bytes);

    /// <summary>A stage that goes on.</summary>
    internal sealed class OpenStage(StageRunner runner, TraceSection section, int index, string name) : IAsyncDisposable
    {
        private readonly StageRunner _runner = runner;
        private readonly long _started = runner.Now();

        public async ValueTask DisposeAsync()
        {
            await _runner.FinishAsync(index, name, _started);
            await section.DisposeAsync();
        }
    }

    private long Now() => time.GetTimestamp();

    private Task FinishAsync(int index, string name, long started) => log.StepFinishedAsync(index, name, 0, time.GetElapsedTime(started), null);
}

/// <param name="ExitCode">128 + signal when a signal ended it.</param>
/// <param name="Diagnosis">What the machine knows of a failure.</param>
internal sealed record StageResult(int ExitCode, string? Diagnosis)
{
    public bool Succeeded => ExitCode == 0;
}
