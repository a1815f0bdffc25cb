namespace RunnerVm.Sources;

/// <summary>How many answers a forge gave, by status. Safe to use from several threads.</summary>
internal sealed class AnswerTally
{
    public const string Figure = "runnervm_api_answers_total";

    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, long> _counts = [];

    public void Add(int status)
    {
        lock (_gate) _counts[status] = _counts.GetValueOrDefault(status) + 1;
    }

    public IReadOnlyDictionary<int, long> Read()
    {
        lock (_gate) return new SortedDictionary<int, long>(_counts);
    }

    /// <param name="api">Which of the forge's: rest, scale-set.</param>
    /// <param name="of">See <see cref="ForgeFigure.Of"/>.</param>
    public IEnumerable<ForgeFigure> Figures(string api, string? of = null) =>
        Read().Select(answer => new ForgeFigure(Figure, "Answers of a forge's API, by status.", $"api=\"{api}\",status=\"{answer.Key}\"", answer.Value) { Of = of });
}
