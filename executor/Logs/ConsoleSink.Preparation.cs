namespace RunnerVm.Logs;

internal sealed partial class ConsoleSink
{
    /// <summary>Where nothing can be drawn over, a part that goes on says so this often.</summary>
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, DateTimeOffset> _preparations = [];
    private JobEvent.ArtifactsStored? _artifacts;

    /// <summary>A bar on a terminal; elsewhere a line at the start, one now and then, and one at the end.</summary>
    private void ShowPreparation(JobEvent.Preparation preparation)
    {
        string what = Readable.OneLine(preparation.What);
        string text = Readable.OneLine(preparation.Text);
        if (preparation.Fraction >= 1)
        {
            _preparations.Remove(what);
            SetStatus(null);
            Say(_style.Succeeded(what, text));
            return;
        }

        if (_settings.Animate)
        {
            SetStatus(_style.Bar(what, preparation.Fraction, text, _settings.Columns));
            return;
        }

        if (_preparations.TryGetValue(what, out DateTimeOffset said) && preparation.Time - said < PlainInterval)
            return;
        _preparations[what] = preparation.Time;
        Say(_style.Note(preparation.Fraction is { } share ? $"{what}: {text} ({share:P0})" : $"{what}: {text}"));
    }
}
