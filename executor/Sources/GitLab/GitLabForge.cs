using System.Security.Cryptography;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>One runner entry of one GitLab: asks for jobs and makes each of them something the agent can run.</summary>
internal sealed class GitLabForge : IForge
{
    private readonly GitLabRunnerOptions _options;
    private readonly GitLabHost _host;
    private readonly GitLabHttp _http;
    private readonly RunnerConnection _connection;

    /// <exception cref="UserException">The CA file cannot be used.</exception>
    public GitLabForge(GitLabRunnerOptions options, GitLabHost host)
    {
        (_options, _host) = (options, host);
        _http = new(options.Server, host.Time);
        _connection = new(_http, options.Token, host.SystemId);
    }

    public string Name => _options.Name;

    public string Fingerprint => _options.Fingerprint;

    public MachineSize Largest => _options.Images.Largest;

    public int? Limit => _options.Limit;

    public TimeSpan Interval => _options.CheckInterval;

    public IEnumerable<ForgeFigure> Figures => _http.Answers.Figures("runner");

    public async Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken) => await _connection.VerifyAsync(cancellationToken) switch
    {
        TokenCheck.Valid { ExpiresAt: { } expires } => new(true, $"the token is good until {expires:yyyy-MM-dd HH:mm} UTC"),
        TokenCheck.Valid => new(true, "the token is good"),
        TokenCheck.Invalid invalid => new(false,
            $"{_options.Server.Url} does not know the token {_options.ShortToken}…: {invalid.Said}. Was the runner deleted? Create one under Settings, CI/CD, Runners and put its glrt- token here."),
        TokenCheck.Unknown unknown => new(false, $"{_options.Server.Url} cannot be asked about the token: {unknown.Said}"),
        _ => throw new InvalidOperationException(),
    };

    public async Task<ForgeAnswer> AskAsync(CancellationToken cancellationToken) => await _connection.RequestAsync(cancellationToken) switch
    {
        JobAnswer.Job job => new ForgeAnswer.Job(Take(job.Payload)),
        JobAnswer.Malformed { Problem.CanBeAnswered: true } malformed => new ForgeAnswer.Job(Refuse(malformed.Problem)),
        JobAnswer.Malformed malformed => new ForgeAnswer.Trouble(malformed.Problem.Message),
        JobAnswer.Refused refused => new ForgeAnswer.Refused(refused.Said),
        JobAnswer.Trouble trouble => new ForgeAnswer.Trouble(trouble.Said),
        _ => new ForgeAnswer.Nothing(),
    };

    public Task FinishInterruptedAsync(CancellationToken cancellationToken) => new InterruptedJobs(_options, _host, _http).FinishAsync(cancellationToken);

    public void Dispose() => _http.Dispose();

    private GitLabJob Take(JobResponse payload)
    {
        var machine = _options.Images.Choose(payload.Image?.Name);
        var problem = machine is null
            ? new GitLabOutcome.Failed(GitLabFailureReason.RunnerConfigurationError,
                $"this runner has no machine for the image {OneLine(payload.Image!.Name)}. It knows {_options.Images.Known}; more are added under 'images' in the agent's configuration.")
            : null;
        return new(NewId(payload.Id), payload, machine ?? _options.Images.Fallback, problem, _options, _host, new(_http, payload.Id, payload.Token));
    }

    /// <summary>A payload we cannot read still has an owner, who wants to know why.</summary>
    private GitLabJob Refuse(MalformedJobException malformed)
    {
        var payload = new JobResponse { Id = malformed.JobId, Token = malformed.JobToken };
        var problem = new GitLabOutcome.Failed(GitLabFailureReason.RunnerSystemFailure, malformed.Message, ExitCode: MalformedExitCode);
        return new(NewId(payload.Id), payload, _options.Images.Fallback, problem, _options, _host, new(_http, payload.Id, payload.Token));
    }

    /// <summary>What GitLab's own runner ends such a job with.</summary>
    private const int MalformedExitCode = 3;

    private static string NewId(long gitLabId) => $"gl-{gitLabId}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";

    private static string OneLine(string text) => new([.. text.Take(200).Select(static c => char.IsControl(c) ? ' ' : c)]);
}
