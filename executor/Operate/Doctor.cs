using RunnerVm.Machines;
using RunnerVm.Store;

namespace RunnerVm.Operate;

/// <summary>What this machine can do, and what to install or change for more.</summary>
/// <param name="more">Checks of others: kernel, images. Run in order after ours.</param>
internal sealed class Doctor(
    IReadOnlyList<IMachineEngine> engines,
    RingZeroProbe probe,
    DataDirectory data,
    IReadOnlyList<Func<CancellationToken, Task<DoctorCheck>>> more)
{
    public async Task<DoctorReport> ExamineAsync(CancellationToken cancellationToken)
    {
        var checks = new List<DoctorCheck>();
        var choice = new EngineChoice(engines);
        foreach (var name in EngineChoice.KnownNames) checks.Add(await EngineAsync(choice, name, cancellationToken));
        var anyEngine = checks.Any(check => check.Status != CheckStatus.Missing);

        checks.Add(KvmCheck(await probe.RunAsync(cancellationToken)));
        checks.AddRange(HostChecks.Run(data));
        checks.AddRange(ToolChecks.Run(data));
        foreach (var check in more) checks.Add(await check(cancellationToken));
        return new(anyEngine && !checks.Any(check => check is { Required: true, Status: CheckStatus.Missing }), checks);
    }

    /// <summary>/dev/kvm and what its ring 0 is worth.</summary>
    internal static DoctorCheck KvmCheck(RingZeroResult result)
    {
        const string Name = "KVM";
        const string WithoutIt = "Jobs run on a software CPU without it.";
        if (result.Real) return new(Name, CheckStatus.Ok, $"real: {result.Figure}");
        return result.Kvm
            ? new(Name, CheckStatus.Warn, $"emulated: {result.Figure}", $"hardware does more than 50 million. {WithoutIt}", result.Fix)
            : new(Name, CheckStatus.Warn, "not usable", $"{result.Reason}. {WithoutIt}", result.Fix);
    }

    /// <summary>One missing engine is no more than a line, as long as there is another.</summary>
    private static async Task<DoctorCheck> EngineAsync(EngineChoice choice, string name, CancellationToken cancellationToken)
    {
        var (_, found) = await choice.CheckAsync(name, cancellationToken);
        var label = $"engine {name}";
        if (!found.Available) return new(label, CheckStatus.Missing, "not available", found.Reason, found.Fix);
        if (found.Slow is { } why) return new(label, CheckStatus.Warn, found.Detail, $"slower than hardware: {why}");
        return found.Caution is { } but ? new(label, CheckStatus.Warn, found.Detail, but) : new(label, CheckStatus.Ok, found.Detail);
    }
}
