using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <content>What the job does: <c>script</c> with what stands around it, or <c>steps</c>.</content>
internal sealed partial class JobFileReader
{
    private const int MaximumStepNameLength = 60;

    private static readonly string[] Shells = ["bash", "sh", "python"];

    private List<Step> ReadSteps(Fields job)
    {
        var before = job.TextOrList("before_script") ?? [];
        var after = job.TextOrList("after_script") ?? [];
        var script = job.TextOrList("script");
        var steps = new List<Step>();
        if (job.Has("script") && job.Has("steps"))
        {
            problems.Add(
                job.PositionOf("steps"),
                "\"script\" and \"steps\" exclude each other; move the script into a step and drop \"script\", or drop \"steps\"");
        }
        else if (!job.Has("script") && !job.Has("steps"))
        {
            problems.Add(job.Position, "\"job\" has nothing to run; add \"script\" (a list of commands) or \"steps\"");
        }

        if (script is not null)
        {
            // One shell for both, so what before_script sets is there in script.
            steps.Add(new Step { Name = "script", Script = ScriptText.From([.. before, .. script]) });
        }
        else if (before.Count > 0)
        {
            steps.Add(new Step { Name = "before_script", Script = ScriptText.From(before) });
        }

        if (job["steps"] is { } value) steps.AddRange(ReadStepList(value));
        if (after.Count > 0)
        {
            steps.Add(new Step { Name = "after_script", Script = ScriptText.From(after), Condition = StepCondition.Always });
        }

        return steps;
    }

    private List<Step> ReadStepList(YamlValue value)
    {
        var steps = new List<Step>();
        if (value is not YamlList { Items.Count: > 0 } list)
        {
            var found = value is YamlList ? "an empty one" : value.Kind;
            problems.Add(value.Position, $"\"steps\" should be a list of steps, found {found}");
            return steps;
        }

        foreach (var item in list.Items)
        {
            if (ReadStep(item) is { } step) steps.Add(step);
        }

        return steps;
    }

    private Step? ReadStep(YamlValue item)
    {
        if (item is YamlText { IsNull: false } text && Scalars.Text(text, "a step", problems) is { } command)
        {
            return new Step { Name = NameOf(command), Script = command };
        }

        if (Fields.Read(item, "a step", Vocabulary.Step, problems) is not { } fields) return null;
        if (!fields.Has("run")) problems.Add(fields.Position, "a step needs \"run\", the script it runs");
        var run = fields.Text("run") ?? "";
        fields.Choice("if", Vocabulary.Conditions, out var condition);
        return new Step
        {
            Name = ReadName(fields) ?? NameOf(run),
            Script = run,
            Shell = ReadShell(fields),
            Environment = ReadEnvironment(fields),
            WorkingDirectory = fields.Text("working-directory"),
            Condition = condition,
            ContinueOnError = fields.Flag("continue-on-error") ?? false,
            Timeout = ReadTimeout(fields),
        };
    }

    private string? ReadShell(Fields step)
    {
        if (step.Text("shell") is not { } shell) return null;
        if (Shells.Contains(shell) || shell.Contains("{0}", StringComparison.Ordinal)) return shell;
        problems.Add(
            step["shell"]!.Position,
            $"\"shell\" should be {Quoted.Names(Shells)} or a command line with {{0}} for the script's path such as \"perl {{0}}\", "
            + $"found {Quoted.Text(shell)}");
        return null;
    }

    /// <summary>The first line of its script, for a step without a name.</summary>
    private static string NameOf(string script) =>
        Quoted.Line(script.Trim().Split('\n')[0].TrimEnd(), MaximumStepNameLength);
}
