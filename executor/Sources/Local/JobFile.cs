using System.Text;
using RunnerVm.Jobs;
using YamlDotNet.Core;

namespace RunnerVm.Sources.Local;

/// <summary>
/// The job file of <c>runnervm exec</c>. Its format is described for editors in <c>config/job.schema.json</c>; a test
/// holds the two together.
/// </summary>
internal static class JobFile
{
    /// <summary>Path that stands for standard input.</summary>
    public const string StandardInput = "-";

    /// <summary>Nobody writes a longer one; a wrong path may name anything.</summary>
    private const int MaximumBytes = 1 << 20;

    /// <summary>
    /// Reads, checks and resolves the job in <paramref name="path"/>: secrets have their values, paths are absolute, the
    /// id is new. Command-line options are not looked at.
    /// </summary>
    /// <exception cref="UserException">
    /// With <see cref="ExitCodes.BadFile"/>: the file cannot be read, or all that is wrong in it, one line each as
    /// <c>path:line:column: message</c>.
    /// </exception>
    public static Job Load(string path, JobFileContext context)
    {
        var fromStandardInput = path == StandardInput;
        var shownPath = fromStandardInput ? "<stdin>" : path;
        var name = fromStandardInput ? "stdin" : Path.GetFileNameWithoutExtension(path) is { Length: > 0 } stem ? stem : "job";
        var problems = new JobFileProblems(shownPath);
        var text = ReadText(path, shownPath, fromStandardInput, context, problems);
        var document = ReadYaml(text, problems);
        var job = new JobFileReader(context, problems, fromStandardInput).Read(document, name);
        problems.ThrowIfAny();
        return job;
    }

    private static string ReadText(
        string path, string shownPath, bool fromStandardInput, JobFileContext context, JobFileProblems problems)
    {
        byte[]? bytes;
        try
        {
            using var file = fromStandardInput ? context.OpenStandardInput() : context.OpenFile(context.Resolve(path));
            bytes = BoundedFile.Read(file, MaximumBytes);
        }
        catch (Exception reason) when (BoundedFile.IsReadFailure(reason))
        {
            throw new UserException(
                ExitCodes.BadFile, $"Cannot read the job file {shownPath}: {BoundedFile.Explain(reason)}.", reason);
        }

        if (bytes is null) problems.Add(FilePosition.Start, "is larger than 1 MiB, the most a job file may have");
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

    private static YamlValue ReadYaml(string text, JobFileProblems problems)
    {
        try
        {
            if (YamlDocument.Read(text) is { } document) return document;
            problems.Add(FilePosition.Start, "is empty; expected a map with \"job\" and \"runner\"");
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
