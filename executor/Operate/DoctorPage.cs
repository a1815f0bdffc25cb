using System.Text.Json;
using Spectre.Console;

namespace RunnerVm.Operate;

/// <summary>A doctor's report as a table, as plain lines or as JSON.</summary>
internal static class DoctorPage
{
    /// <summary>A table where there is a terminal, plain lines elsewhere.</summary>
    public static void Write(DoctorReport report, IAnsiConsole console)
    {
        if (console.Profile.Capabilities.Interactive && console.Profile.Out.IsTerminal) WriteTable(report, console);
        else console.Profile.Out.Writer.Write(Lines(report));
    }

    public static string Json(DoctorReport report) => JsonSerializer.Serialize(report, DoctorJson.Default.DoctorReport);

    /// <summary>One line a check, and below it why and what to do.</summary>
    public static string Lines(DoctorReport report)
    {
        var width = report.Checks.Max(check => check.Name.Length);
        var text = new System.Text.StringBuilder();
        foreach (var check in report.Checks)
        {
            text.Append($"{Word(check.Status),-8}{check.Name.PadRight(width)}  {check.Detail}\n");
            if (check.Reason is { } reason) text.Append($"{"",8}{"".PadRight(width)}  because: {reason}\n");
            if (check.Fix is { } fix) text.Append($"{"",8}{"".PadRight(width)}  fix: {fix}\n");
        }

        return text.Append(Verdict(report)).Append('\n').ToString();
    }

    private static void WriteTable(DoctorReport report, IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("", "Check", "Found");
        foreach (var check in report.Checks)
        {
            var found = new Paragraph(check.Detail);
            if (check.Reason is { } reason) found.Append("\n" + reason, new Style(decoration: Decoration.Dim));
            if (check.Fix is { } fix) found.Append("\nfix: " + fix, new Style(Color.Yellow));
            table.AddRow(new Text(Word(check.Status), new Style(Colour(check.Status))), new Text(check.Name), found);
        }

        console.Write(table);
        console.WriteLine(Verdict(report));
    }

    private static string Verdict(DoctorReport report) => report.CanRunJobs
        ? "This machine can run jobs."
        : "This machine cannot run jobs yet; see what is missing above.";

    private static string Word(CheckStatus status) => status switch
    {
        CheckStatus.Ok => "ok",
        CheckStatus.Warn => "warn",
        _ => "missing",
    };

    private static Color Colour(CheckStatus status) => status switch
    {
        CheckStatus.Ok => Color.Green,
        CheckStatus.Warn => Color.Yellow,
        _ => Color.Red,
    };
}
