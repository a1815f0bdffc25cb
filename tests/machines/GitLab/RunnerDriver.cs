using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>Plays gitlab-runner with <c>executor = "custom"</c>: calls the four programs in its order, with its environment.</summary>
internal sealed class RunnerDriver : IDisposable
{
    public const int BuildFailure = 37;
    public const int SystemFailure = 38;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly TestFolder _folder = new();
    private readonly string[] _prepareArguments;

    /// <param name="prepareArguments">Behind <c>gitlab prepare</c>.</param>
    public RunnerDriver(object response, params string[] prepareArguments)
    {
        _prepareArguments = prepareArguments;
        _folder.Write("response.json", JsonSerializer.Serialize(response));
    }

    /// <summary>What the calls printed, both streams, one after the other.</summary>
    public string Log { get; private set; } = "";

    /// <summary>What stands in the exit code file, or null when there is none.</summary>
    public string? ExitCodeFile => File.Exists(_folder.File("build_exit_code")) ? File.ReadAllText(_folder.File("build_exit_code")) : null;

    /// <summary>Own processor-independent time of each call, in milliseconds.</summary>
    public List<(string Call, double Milliseconds)> Times { get; } = [];

    public async Task<JsonElement> ConfigAsync()
    {
        var (code, output) = await CallAsync(["config"]);
        return code == 0 ? JsonDocument.Parse(output).RootElement : throw new InvalidOperationException($"config ended with {code}: {output}");
    }

    public async Task<int> PrepareAsync() => (await CallAsync(["prepare", .. _prepareArguments])).Code;

    public async Task<int> CleanUpAsync() => (await CallAsync(["cleanup"])).Code;

    /// <summary>One script in the frame gitlab-runner puts around it.</summary>
    public async Task<int> RunAsync(string stage, string body) => (await CallAsync(["run", Script(stage, body), stage])).Code;

    /// <summary>Starts a stage; the caller owns the process.</summary>
    public Process Start(string stage, string body) => Launch(["run", Script(stage, body), stage]);

    /// <summary>Starts <c>prepare</c> below a process called gitlab-runner, which then goes on; it says "prepared" and the exit code.</summary>
    public Process StartPrepareUnderRunner()
    {
        File.Copy("/bin/bash", _folder.File("gitlab-runner"));
        _folder.Write("call.sh", "\"$@\"\necho \"prepared $?\"\nread -r _\n");
        return Launch(["prepare", .. _prepareArguments], $"{_folder.File("gitlab-runner")} {_folder.File("call.sh")}");
    }

    public void Dispose() => _folder.Dispose();

    private string Script(string stage, string body)
    {
        var path = $"script-{stage}/script";
        _folder.Write(path, $"#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nif set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\nset +o noclobber\n: | eval $'{body.Replace("\\", "\\\\").Replace("'", "\\'").Replace("\n", "\\n")}'\nexit 0\n");
        return _folder.File(path);
    }

    private async Task<(int Code, string Output)> CallAsync(string[] arguments)
    {
        var started = Stopwatch.GetTimestamp();
        using var process = Launch(arguments);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
        Log += output + await error.WaitAsync(Patience);
        await process.WaitForExitAsync().WaitAsync(Patience);
        Times.Add((string.Join(' ', arguments), Stopwatch.GetElapsedTime(started).TotalMilliseconds));
        return (process.ExitCode, output);
    }

    private Process Launch(string[] arguments, string? wrapper = null) => Runner.Start(_folder.Path, ["gitlab", .. arguments], new Dictionary<string, string>
    {
        ["TMPDIR"] = _folder.Path,
        ["BUILD_FAILURE_EXIT_CODE"] = $"{BuildFailure}",
        ["SYSTEM_FAILURE_EXIT_CODE"] = $"{SystemFailure}",
        ["BUILD_EXIT_CODE_FILE"] = _folder.File("build_exit_code"),
        ["JOB_RESPONSE_FILE"] = _folder.File("response.json"),
        // What a job says about itself: another job's id, and a secret that must not reach the keeper.
        ["CUSTOM_ENV_CI_JOB_ID"] = "1",
        ["CUSTOM_ENV_CI_JOB_TOKEN"] = "not-the-token",
        ["CUSTOM_ENV_SECRET"] = "custom-env-secret",
    }, wrapper);
}
