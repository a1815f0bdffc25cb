namespace RunnerVm.Operate.Bench;

/// <summary>What is being measured: one line that is written over on a terminal, a line for each new subject elsewhere.</summary>
internal sealed class BenchProgress(TextWriter writer, bool isTerminal)
{
    private string _subject = "";

    public void Say(string text)
    {
        if (isTerminal)
        {
            writer.Write($"\r\e[K{text}");
            return;
        }

        // "qemu, restored: start 3 of 20" is one subject with all its starts.
        var subject = text.Split(" start ")[0];
        if (subject != _subject) writer.WriteLine(text);
        _subject = subject;
    }

    /// <summary>A line that stays.</summary>
    public void Note(string text)
    {
        Clear();
        writer.WriteLine(text);
    }

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        if (isTerminal) writer.Write("\r\e[K");
    }
}
