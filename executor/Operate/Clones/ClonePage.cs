using System.Text;
using System.Text.Json;

namespace RunnerVm.Operate.Clones;

/// <summary>A trial's report for people and for programs.</summary>
internal static class ClonePage
{
    private const int DetailWidth = 60;

    public static string Json(CloneReport report) => JsonSerializer.Serialize(report, CloneJson.Default.CloneReport);

    public static string Lines(CloneReport report)
    {
        var width = report.Checks.Max(static c => c.Title.Length);
        var text = new StringBuilder();
        foreach (var check in report.Checks)
            text.Append($"{(check.Passed ? "ok" : "same"),-6}{check.Title.PadRight(width)}  {check.Distinct,3} of {check.Copies}  {Short(check.Detail)}\n");
        return text.Append(Verdict(report)).Append('\n').ToString();
    }

    private static string Verdict(CloneReport report) => report.Safe
        ? $"{report.Copies} copies of snapshot {report.Snapshot} on engine {report.Engine}: no two alike."
        : $"Copies of snapshot {report.Snapshot} on engine {report.Engine} share what they must not. No machine is restored here until a trial passes; jobs boot theirs.";

    private static string Short(string detail) => detail.Length <= DetailWidth ? detail : detail[..(DetailWidth - 1)] + "…";
}
