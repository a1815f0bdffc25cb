using System.Globalization;
using System.Text.RegularExpressions;

namespace RunnerVm.Images;

/// <summary>
/// Reads what mmdebstrap, apt and dpkg say while a root file system grows, and makes a fraction of it. Two rounds, the
/// essential packages and the wanted ones, each announces its count and then downloads, unpacks and sets up every one.
/// </summary>
internal sealed partial class BootstrapProgress
{
    /// <summary>Shares of the whole at which each stage starts, as measured for the two images we ship.</summary>
    private static readonly (string Line, double Fraction, string Text)[] Stages =
    [
        ("I: running apt-get update", 0.02, "fetching package lists"),
        ("I: downloading packages with apt", 0.05, "downloading the base system"),
        ("I: extracting archives", 0.10, "unpacking the base system"),
        ("I: installing essential packages", 0.25, "installing the base system"),
        ("I: installing remaining packages", 0.40, "installing packages"),
        ("I: running --customize-hook", 0.90, "packing the image"),
        ("I: cleaning package lists", 0.97, "cleaning up"),
    ];

    private readonly Lock _lock = new();
    private readonly string _what;
    private readonly IProgress<BuildProgress> _progress;
    private int _stage = -1;
    private int _expected;
    private int _done;
    private double _last = -1;

    public BootstrapProgress(string what, IProgress<BuildProgress> progress)
    {
        _what = what;
        _progress = progress;
        Report(0, "starting");
    }

    /// <summary>A line of either output; they arrive on two threads.</summary>
    public void OnLine(string line)
    {
        lock (_lock)
        {
            if (EnterStage_NeedsLock(line)) return;
            if (NewlyInstalled().Match(line) is { Success: true } announced)
            {
                _expected = 3 * int.Parse(announced.Groups[1].Value, CultureInfo.InvariantCulture);
                _done = 0;
            }
            else if (_expected > 0 && PackageStep().IsMatch(line))
            {
                _done++;
                var start = Stages[_stage].Fraction;
                var end = _stage + 1 < Stages.Length ? Stages[_stage + 1].Fraction : 1;
                Report(start + (end - start) * Math.Min(1, (double)_done / _expected), Stages[_stage].Text);
            }
        }
    }

    private bool EnterStage_NeedsLock(string line)
    {
        var stage = Array.FindIndex(Stages, stage => line.StartsWith(stage.Line, StringComparison.Ordinal));
        if (stage <= _stage) return false;
        _stage = stage;
        Report(Stages[stage].Fraction, Stages[stage].Text);
        return true;
    }

    /// <summary>A line per percent is enough for any reader.</summary>
    private void Report(double fraction, string text)
    {
        if (fraction - _last < 0.01) return;
        _last = fraction;
        _progress.Report(new(_what, fraction, text));
    }

    [GeneratedRegex(@"^\d+ upgraded, (\d+) newly installed")]
    private static partial Regex NewlyInstalled();

    [GeneratedRegex(@"^(Get:\d+ |Unpacking |Setting up )")]
    private static partial Regex PackageStep();
}
