using System.CommandLine;
using RunnerVm.Images;
using RunnerVm.Machines;
using RunnerVm.Operate;
using RunnerVm.Store;
using Spectre.Console;

namespace RunnerVm.Commands;

/// <summary><c>runnervm doctor</c>: what this machine can do, and what to change for more.</summary>
internal static class DoctorCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON." };

    public static Command Create()
    {
        var command = new Command("doctor", "Say what this machine can do, and what to install or change for more.") { Json };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var data = DataDirectory.FromEnvironment();
        var layout = InstallLayout.FromEnvironment();
        var engines = new Engines(data, layout, TimeProvider.System);
        var report = await new Doctor(engines.All, engines.Probe, data, [.. CacheChecks(data, layout)]).ExamineAsync(cancellationToken);
        if (parsed.GetValue(Json)) Console.Out.WriteLine(DoctorPage.Json(report));
        else DoctorPage.Write(report, AnsiConsole.Console);
        return report.ExitCode;
    }

    private static IEnumerable<Func<CancellationToken, Task<DoctorCheck>>> CacheChecks(DataDirectory data, InstallLayout layout)
    {
        yield return _ => Task.FromResult(new KernelStore(data, TimeProvider.System).Current is { } kernel
            ? new DoctorCheck("kernel", CheckStatus.Ok, $"{kernel.Version}, {kernel.Modules.Count} modules in the initramfs")
            : new DoctorCheck("kernel", CheckStatus.Ok, "not fetched yet; the first job does it by apt"));
        yield return _ => Task.FromResult(RunnerCommand.Check(new(data, TimeProvider.System), TimeProvider.System));
        var recipes = new ImageRecipes(layout.JobImages);
        yield return _ =>
        {
            var built = new ImageStore(data, recipes, TimeProvider.System).List().Where(static i => i.IsCurrent).Select(static i => i.Name).ToHashSet();
            var detail = string.Join(", ", recipes.Names.Select(n => built.Contains(n) ? n : $"{n} (not built yet)"));
            return Task.FromResult(new DoctorCheck("images", CheckStatus.Ok, detail));
        };
    }
}
