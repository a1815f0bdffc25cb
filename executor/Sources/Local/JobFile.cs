using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <summary>
/// The job file of <c>runnervm exec</c>. Its format is described for editors in <c>config/job.schema.json</c>; a test
/// holds the two together.
/// </summary>
internal static class JobFile
{
    /// <summary>Path that stands for standard input.</summary>
    public const string StandardInput = "-";

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
        var problems = new FileProblems(shownPath, ("job", Vocabulary.Job), ("runner", Vocabulary.Runner));
        Func<Stream> open = fromStandardInput ? context.OpenStandardInput : () => context.OpenFile(context.Resolve(path));
        var document = YamlFile.Read(open, shownPath, "job file", "a map with \"job\" and \"runner\"", problems);
        var job = new JobFileReader(context, problems, fromStandardInput).Read(document, name);
        problems.ThrowIfAny();
        return job;
    }
}
