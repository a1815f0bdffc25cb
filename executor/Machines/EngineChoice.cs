using RunnerVm.Jobs;

namespace RunnerVm.Machines;

/// <summary>From what a job asks for to the engine that runs it, or a sentence saying why none can.</summary>
/// <param name="engines">Those this program has, best first.</param>
internal sealed class EngineChoice(IReadOnlyList<IMachineEngine> engines)
{
    public const string Auto = "auto";

    /// <summary>Every name a job file may use, best first; design.md section 3.2. Not all are implemented.</summary>
    public static IReadOnlyList<string> KnownNames { get; } = ["vmm", "firecracker", "qemu", "gvisor"];

    /// <param name="asked">A known name, or <c>auto</c>.</param>
    /// <param name="isolation">What must hold whichever engine it becomes.</param>
    /// <param name="mayFallBack">Whether another engine may stand in for the named one; the agent daemon says no by default.</param>
    /// <exception cref="UserException">Unknown name, a named engine that isolates less than asked, or no engine left.</exception>
    public async Task<ChosenEngine> ChooseAsync(
        string asked, Isolation isolation, bool mayFallBack, CancellationToken cancellationToken)
    {
        if (asked != Auto && !KnownNames.Contains(asked))
            throw new UserException(ExitCodes.BadFile,
                $"Unknown engine '{asked}'. Known are {Auto}, {string.Join(", ", KnownNames)}.");

        var named = await CheckAsync(asked, cancellationToken);
        if (named.Engine is { } there && !Gives(there, isolation))
            throw new UserException(ExitCodes.BadFile,
                $"Engine {asked} gives {Words(there.Isolation)} isolation and the job asks for {Words(isolation)}. "
                + $"Write 'isolation: {Words(there.Isolation)}' or choose another executor.");
        if (named is { Engine: { } engine, Availability.Available: true }) return new(engine, Notices(engine, named.Availability));
        if (asked != Auto && !mayFallBack)
            throw new UserException(ExitCodes.RunnerFailed,
                $"Engine {asked} is not on this machine: {named.Availability.Reason}. {Sentence(named.Availability.Fix)}".TrimEnd());

        return await FallBackAsync(asked, named.Availability, isolation, cancellationToken);
    }

    /// <summary>What an engine can do here; a known name without an implementation gets its reason too.</summary>
    public async Task<(IMachineEngine? Engine, EngineAvailability Availability)> CheckAsync(
        string name, CancellationToken cancellationToken) =>
        engines.FirstOrDefault(engine => engine.Name == name) is { } engine
            ? (engine, await engine.CheckAvailabilityAsync(cancellationToken))
            : (null, new(false, "", $"this version of runnervm has no {name} engine yet"));

    private async Task<ChosenEngine> FallBackAsync(
        string asked, EngineAvailability missing, Isolation isolation, CancellationToken cancellationToken)
    {
        var reasons = new List<string>();
        foreach (var name in KnownNames)
        {
            var (engine, availability) = await CheckAsync(name, cancellationToken);
            if (engine is not null && !Gives(engine, isolation)) continue;
            if (engine is null || !availability.Available)
            {
                reasons.Add($"{name}: {availability.Reason}. {Sentence(availability.Fix)}".TrimEnd());
                continue;
            }

            List<string> notices = asked == Auto
                ? []
                : [$"Engine {asked} is not on this machine: {missing.Reason}. "
                    + $"Using {name} ({availability.Detail}), which gives the asked {Words(isolation)} isolation."];
            return new(engine, [.. notices, .. Notices(engine, availability)]);
        }

        throw new UserException(ExitCodes.RunnerFailed,
            $"No engine on this machine gives {Words(isolation)} isolation.\n  " + string.Join("\n  ", reasons)
            + "\n'runnervm doctor' says more.");
    }

    /// <summary>A kernel of its own is more than a sandboxed process.</summary>
    private static bool Gives(IMachineEngine engine, Isolation asked) =>
        engine.Isolation == asked || engine.Isolation == Isolation.Kernel;

    private static IReadOnlyList<string> Notices(IMachineEngine engine, EngineAvailability availability)
    {
        var notices = new List<string>();
        if (availability.Slow is { } why) notices.Add($"Engine {engine.Name} runs on {availability.Detail}, slower than hardware: {why}.");
        if (availability.Caution is { } but) notices.Add($"Engine {engine.Name} runs on {availability.Detail}; {but}.");
        return notices;
    }

    private static string Words(Isolation isolation) => isolation switch
    {
        Isolation.Kernel => "kernel-level",
        _ => "process-level",
    };

    private static string Sentence(string? text) => text is null ? "" : text.TrimEnd('.') + ".";
}

/// <param name="Engine">Available, and isolating at least as asked.</param>
/// <param name="Notices">Lines to show before the job: a fallback, a slow processor. Often none.</param>
internal sealed record ChosenEngine(IMachineEngine Engine, IReadOnlyList<string> Notices);
