using System.Text;
using YamlDotNet.Core;

namespace RunnerVm.Options.Yaml;

/// <summary>From a file's bytes to the one YAML document in it; what is wrong is added to the file's problems.</summary>
internal static class YamlFile
{
    /// <summary>Nobody writes a longer one; a wrong path may name anything.</summary>
    public const int MaximumBytes = 1 << 20;

    /// <param name="what">For messages, for example <c>job file</c>.</param>
    /// <param name="expected">What an empty file lacks.</param>
    /// <exception cref="UserException">With <see cref="ExitCodes.BadFile"/>: it cannot be read, is too large, is empty or no YAML.</exception>
    public static YamlValue Read(Func<Stream> open, string shownPath, string what, string expected, FileProblems problems) =>
        Parse(ReadText(open, shownPath, what, problems), expected, problems);

    private static string ReadText(Func<Stream> open, string shownPath, string what, FileProblems problems)
    {
        byte[]? bytes;
        try
        {
            using var file = open();
            bytes = BoundedFile.Read(file, MaximumBytes);
        }
        catch (Exception reason) when (BoundedFile.IsReadFailure(reason))
        {
            throw new UserException(ExitCodes.BadFile, $"Cannot read the {what} {shownPath}: {BoundedFile.Explain(reason)}.", reason);
        }

        if (bytes is null) problems.Add(FilePosition.Start, $"is larger than 1 MiB, the most a {what} may have");
        problems.ThrowIfAny();
        try
        {
            return BoundedFile.StrictUtf8.GetString(bytes!).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            problems.Add(FilePosition.Start, "is not UTF-8 text");
            problems.ThrowIfAny();
            throw;
        }
    }

    private static YamlValue Parse(string text, string expected, FileProblems problems)
    {
        try
        {
            if (YamlDocument.Read(text) is { } document) return document;
            problems.Add(FilePosition.Start, $"is empty; expected {expected}");
        }
        catch (YamlException mistake)
        {
            var (position, message) = YamlMistake.Explain(mistake, text);
            problems.Add(position, message);
        }

        problems.ThrowIfAny();
        throw new InvalidOperationException("A problem was just added.");
    }
}
