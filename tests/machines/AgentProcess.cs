using System.Diagnostics;
using RunnerVm.Tests.StandIns.GitLab;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// <c>runnervm agent</c> as a service manager runs it, taking jobs from a stand-in of a forge into machines of a home's kind.
/// Disposing kills it; what it logged is the test's output.
/// </summary>
internal sealed class AgentProcess : IDisposable
{
    /// <summary>The official runner is a large program, on a processor that is emulated.</summary>
    public static readonly TimeSpan Patience = GitHub.RunnerHome.IsOfficial ? TimeSpan.FromMinutes(8) : TimeSpan.FromSeconds(90);

    private readonly TestFolder _folder = new();
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly Task _reading;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private AgentProcess(string configuration, IReadOnlyDictionary<string, string> environment)
    {
        _folder.Write("agent.yml", configuration);
        _process = Runner.Start(_folder.Path, ["agent", "--config", ConfigurationPath], environment);
        _process.StandardInput.Close();
        _reading = ReadAsync();
    }

    public string ConfigurationPath => _folder.File("agent.yml");

    /// <summary>Own processor time so far, without its machines'.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public string Log
    {
        get
        {
            lock (_lines) return string.Join('\n', _lines);
        }
    }

    /// <summary>Starts one and waits until it takes jobs.</summary>
    /// <param name="jobs">Machines at once.</param>
    /// <param name="warm">Machines that wait.</param>
    public static async Task<AgentProcess> StartAsync(GitLabStandIn server, SnapshotHome home, int jobs, int warm = 0)
    {
        var agent = Create(
            $$"""
            capacity: {jobs: {{jobs}}, cpus: {{jobs}}, memory: {{jobs * 256}}MB}
            runner: {executor: qemu, memory: 256MB, disk: 1GB}
            images: [{{(warm > 0 ? $"{{warm: {warm}}}" : "")}}]
            gitlab:
              - {name: stand-in, url: "{{server.Url}}", token: {env: STAND_IN_TOKEN}, check-interval: 100ms, images: [{match: "debian:*"}]}
            """,
            new Dictionary<string, string>(home.Environment()) { ["STAND_IN_TOKEN"] = GitLabStandIn.RunnerToken });
        await agent.WaitForLineAsync("Takes up to");
        return agent;
    }

    /// <summary>Starts one with any configuration, and waits for nothing.</summary>
    public static AgentProcess Create(string configuration, IReadOnlyDictionary<string, string> environment) => new(configuration, environment);

    public async Task WaitForLineAsync(string text)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            Task more;
            lock (_lines)
            {
                if (_lines.Any(line => line.Contains(text, StringComparison.Ordinal))) return;
                more = _more.Task;
            }

            Assert.False(_reading.IsCompleted, $"the agent ended before it said \"{text}\"\n{Log}");
            try
            {
                await Task.WhenAny(more, _reading).WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"the agent did not say \"{text}\" in time\n{Log}");
            }
        }
    }

    /// <summary>Replaces the configuration and asks the agent to read it again.</summary>
    public void Reload(string configuration)
    {
        _folder.Write("agent.yml", configuration);
        Assert.Equal(0, LibC.kill(_process.Id, LibC.SIGHUP));
    }

    public void Terminate() => Assert.Equal(0, LibC.kill(_process.Id, LibC.SIGTERM));

    /// <summary>SIGKILL, to the agent alone.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    /// <returns>The exit code.</returns>
    public async Task<int> EndAsync()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"the agent did not end in time\n{Log}");
        }

        await _reading;
        return _process.ExitCode;
    }

    public void Dispose()
    {
        Kill();
        TestContext.Current.TestOutputHelper?.WriteLine(Log);
        _process.Dispose();
        _folder.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lock (_lines)
            {
                _lines.Add(line);
                _more.SetResult();
                _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }
}
