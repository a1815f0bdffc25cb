using System.Diagnostics;
using System.Text.Json;
using RunnerVm.Machines;

namespace RunnerVm.Benchmarks;

/// <summary>What a person waits for.</summary>
internal static class StartBenchmarks
{
    private const string Hello = "job: {script: ['echo hello'], workspace: none}";

    public static void Version(BenchmarkReport report)
    {
        BuiltProgram.Run(null, "--version");
        var wall = new Sample();
        for (var round = 0; round < 25; round++) wall.Add(BuiltProgram.Run(null, "--version").Wall.TotalMilliseconds);
        report.Figure("runnervm --version, start to exit, median of 25", wall.Median, "ms", 20, higherIsBetter: false);
    }

    /// <summary>A cold machine each time; what is cached is the image, the kernel and the disk's template.</summary>
    public static void ColdHello(BenchmarkReport report)
    {
        const int Rounds = 7;
        BuiltProgram.RunJob(Hello, "--cold");
        var total = new Sample();
        var ours = new Sample();
        var phases = new Dictionary<string, Sample>();
        for (var round = 0; round < Rounds; round++)
        {
            var (events, wall) = BuiltProgram.RunJob(Hello, "--cold");
            total.Add(wall.TotalSeconds);
            var ready = events.First(static e => e.Kind() == "machineReady");
            var agent = ready.GetProperty("guestBootSeconds").GetDouble() + ready.GetProperty("guestThawSeconds").GetDouble();
            foreach (var entered in events.Where(static e => e.Kind() == "phase")) Of(phases, entered.GetProperty("previous").GetString()!).Add(Seconds(entered));
            Of(phases, "  of it the agent: boot and thaw").Add(agent);
            Of(phases, "  of it the step").Add(Seconds(events.First(static e => e.Kind() == "stepFinished")));
            // Booting is QEMU and the guest's kernel, but for the agent's part; the step is the job's.
            var booting = events.First(static e => e.Kind() == "phase" && e.GetProperty("previous").GetString() == "booting");
            ours.Add(wall.TotalSeconds - (Seconds(booting) - agent) - Seconds(events.First(static e => e.Kind() == "stepFinished")));
        }

        report.Figure($"hello job, cold, start to exit, median of {Rounds}", total.Median, "s", 3, higherIsBetter: false);
        report.Figure("  of it ours: all but QEMU, the guest's kernel and the step", ours.Median, "s", 0.4, higherIsBetter: false);
        foreach (var (phase, sample) in phases) report.Figure($"  {phase}", sample.Median, "s");
    }

    /// <summary>Copies of one snapshot, in turns with the least that gVisor can do, where it is installed.</summary>
    public static void RestoredHello(BenchmarkReport report)
    {
        const int Rounds = 20;
        BuiltProgram.Run(null, "snapshot", "create");
        BuiltProgram.RunJob(Hello);
        var (wall, first, sandbox) = (new Sample(), new Sample(), new Sample());
        var runsc = ProgramSearch.Find("runsc");
        for (var round = 0; round < Rounds; round++)
        {
            var (events, took) = BuiltProgram.RunJob(Hello);
            if (!events.First(static e => e.Kind() == "machineReady").GetProperty("restored").GetBoolean()) throw new InvalidOperationException("a machine booted that was to be restored");
            wall.Add(took.TotalMilliseconds);
            // From the first event on: the program's own start, some 4 ms, comes before it.
            first.Add((events.First(static e => e.Kind() == "output").GetProperty("time").GetDateTimeOffset() - events[0].GetProperty("time").GetDateTimeOffset()).TotalMilliseconds);
            if (runsc is not null) sandbox.Add(SandboxMilliseconds(runsc));
        }

        report.Figure($"hello job, restored, start to exit, median of {Rounds}", wall.Median, "ms", 150, higherIsBetter: false);
        report.Figure("  first event to first log line", first.Median, "ms", 120, higherIsBetter: false);
        if (runsc is null) Console.Error.WriteLine("  skipped: runsc is not installed on this machine.");
        else
        {
            report.Figure("  beside it, in turns: runsc do true", sandbox.Median, "ms");
            report.Figure("  restored, in times of that", wall.Median / sandbox.Median, "", 1, higherIsBetter: false);
        }
    }

    /// <summary>What a command takes in a sandbox without a network and with the host's files.</summary>
    private static double SandboxMilliseconds(string runsc)
    {
        string[] rights = Environment.IsPrivilegedProcess ? [] : ["--rootless"];
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(runsc, [.. rights, "--network=none", "do", "true"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"runsc do true ended with {process.ExitCode}.");
        return watch.Elapsed.TotalMilliseconds;
    }

    private static double Seconds(JsonElement jobEvent) => jobEvent.GetProperty("elapsedSeconds").GetDouble();

    private static Sample Of(Dictionary<string, Sample> samples, string name) =>
        samples.TryGetValue(name, out var sample) ? sample : samples[name] = new();
}
