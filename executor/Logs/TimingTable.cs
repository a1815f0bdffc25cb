using System.Text;
using RunnerVm.Jobs;

namespace RunnerVm.Logs;

/// <summary>How long each phase of a job and each of its steps took, for <c>--timings</c>.</summary>
internal sealed class TimingTable
{
    private const int BarColumns = 20;

    private readonly List<(string Name, TimeSpan Elapsed, bool IsStep)> _rows = [];
    private readonly List<(string Name, TimeSpan Elapsed)> _steps = [];

    /// <summary>A phase that is over. Steps and parts added since the last one belong to it.</summary>
    public void Add(JobPhase phase, TimeSpan elapsed)
    {
        _rows.Add((phase.ToString().ToLowerInvariant(), elapsed, false));
        _rows.AddRange(_steps.Select(step => (step.Name, step.Elapsed, true)));
        _steps.Clear();
    }

    /// <summary>A step, or a named part of a phase that was timed on its own.</summary>
    public void AddStep(string name, TimeSpan elapsed) => _steps.Add((Readable.OneLine(name), elapsed));

    /// <summary>The lines of the table, aligned, with a bar for each phase's share.</summary>
    public IEnumerable<string> Render(bool unicode)
    {
        if (_rows.Count == 0)
            yield break;
        TimeSpan total = _rows.Where(row => !row.IsStep).Aggregate(TimeSpan.Zero, (sum, row) => sum + row.Elapsed);
        int width = Math.Min(_rows.Max(row => row.Name.Length + (row.IsStep ? 2 : 0)), 40);
        foreach ((string name, TimeSpan elapsed, bool isStep) in _rows)
        {
            string label = Fit(isStep ? "  " + name : name, width);
            double share = total > TimeSpan.Zero ? elapsed / total : 0;
            string bar = isStep ? "" : new string(unicode ? '━' : '#', (int)Math.Round(share * BarColumns));
            yield return new StringBuilder($"  {label}  {Readable.Duration(elapsed),9}  {bar}").ToString().TrimEnd();
        }

        yield return $"  {Fit("total", width)}  {Readable.Duration(total),9}";
    }

    private static string Fit(string text, int width) => (text.Length > width ? text[..width] : text).PadRight(width);
}
