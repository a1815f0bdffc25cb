using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Machines;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Store;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>One GitLab job in a machine, run in this process: what the agent does around it is not part of it.</summary>
internal sealed class DirectJob : IDisposable
{
    public const string Token = "glcbt-64_jobtokenjobtoken";

    private readonly TestFolder _folder = new();
    private readonly TraceFile _file;
    private readonly GitServer _server;

    public DirectJob(GitServer server)
    {
        _server = server;
        _file = TraceFile.Create(_folder.File("trace"));
    }

    public GitLabStop Stop { get; } = new();

    /// <summary>The log as GitLab would have it, without times.</summary>
    public string Log => File.ReadAllText(_file.Path);

    /// <summary>Called when GitLab would hear that the job runs.</summary>
    public Func<Task<bool>> Ready { get; init; } = static () => Task.FromResult(true);

    public static JobResponse Payload(GitServer server, string sha, params string[] script) => new()
    {
        Id = Random.Shared.NextInt64(1000, 1_000_000_000),
        Token = Token,
        AllowGitFetch = true,
        JobInfo = new() { Name = "test", ProjectId = 77, ProjectFullPath = "group/project" },
        GitInfo = new()
        {
            RepoUrl = server.UrlWithToken("group/project"),
            Ref = "main",
            Sha = sha,
            Depth = 20,
            Refspecs = ["+refs/heads/main:refs/remotes/origin/main"],
        },
        RunnerInfo = new() { TimeoutSeconds = 300 },
        Steps = [new() { Name = "script", Script = script }],
        Features = new() { TraceSections = true },
    };

    public async Task<GitLabOutcome> RunAsync(JobResponse payload)
    {
        var time = TimeProvider.System;
        var data = new DataDirectory(Runner.Home);
        var layout = InstallLayout.FromEnvironment();
        var engine = await new Engines(data, layout, time).Choice.ChooseAsync("auto", Isolation.Kernel, mayFallBack: true, CancellationToken.None);
        using var http = new GitLabHttp(new(new($"http://127.0.0.1:{_server.Port}/")), time);
        var trace = new JobTrace(_file, new() { Timestamps = false, Hidden = [Token, .. payload.Variables.Where(static v => v.Masked).Select(static v => v.Value)] }, time);
        var outcome = await new GitLabJobRun(new()
        {
            JobId = $"gitlab-{payload.Id}",
            Payload = payload,
            Trace = trace,
            Stop = Stop,
            Server = new(http, payload.Id, payload.Token),
            Host = new()
            {
                Data = data,
                Ledger = new RunLedger(data, time),
                PrepareFiles = new MachineFileStore(data, layout, time).PrepareAsync,
                ScratchDisks = new ScratchDisks(data, time),
                Engine = engine.Engine,
                Time = time,
            },
            Machine = new("debian-12", new(), NetworkRequest.OpenInternet),
            Runner = new("tests", "abcdefghi", "s_0123456789ab", new($"http://127.0.0.1:{_server.Port}/")),
            MachineReadyAsync = Ready,
        }).RunAsync().WaitAsync(TimeSpan.FromMinutes(4));
        trace.Close();
        return outcome;
    }

    public void Dispose()
    {
        _file.Dispose();
        _folder.Dispose();
    }
}
