using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace RunnerVm.Tests.Vmm.Jailer;

/// <summary>One run of the jailer in a folder of its own, which goes with it; and the machine folder's and cgroups' removal.</summary>
internal sealed class JailRun : IDisposable
{
    private static readonly Lazy<string> Prisoner = new(BuildPrisoner);
    private readonly List<Process> _processes = [];
    private readonly string _folder;

    public JailRun()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "A jail is made by root.");
        Assert.SkipUnless(File.Exists("/usr/bin/gcc"), "gcc is not installed, which builds the program to be jailed.");
        _folder = Directory.CreateTempSubdirectory("jail-").FullName;
        Base = Directory.CreateDirectory(Path.Combine(_folder, "base")).FullName;
        // A name of its own for each run: the cgroups' folders are called after it.
        Name = $"prisoner-{Guid.NewGuid():N}"[..20];
        Program = Path.Combine(_folder, Name);
        File.Copy(Prisoner.Value, Program);
    }

    /// <summary>Built beside the tests; behaves as the one compiled ahead of time.</summary>
    public static string Debug { get; } = Path.GetFullPath(Path.Combine(
        AppContext.BaseDirectory, "..", "..", "jailer", new DirectoryInfo(AppContext.BaseDirectory).Name, "runnervm-jailer"));

    /// <summary>Those of .ci/prepare.</summary>
    public static string Programs { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "programs"));

    public string Base { get; }

    public string Name { get; }

    public string Program { get; set; }

    /// <summary>The jail's root directory, seen from the host.</summary>
    public string Root => Path.Combine(Base, Path.GetFileName(Program), "a-1", "root");

    public string Jailer { get; init; } = Debug;

    /// <summary>Starts the jailer with what it always needs, and more.</summary>
    /// <param name="shell">What a shell does before it becomes the jailer.</param>
    public Process Start(string shell, params string[] more)
    {
        List<string> arguments = ["--id", "a-1", "--exec-file", Program, "--uid", "1234", "--gid", "1235", "--chroot-base-dir", Base];
        foreach (var name in new[] { "--id", "--uid", "--gid", "--exec-file" })
        {
            if (more.Contains(name)) arguments.RemoveRange(arguments.IndexOf(name), 2);
        }

        var start = new ProcessStartInfo("/bin/sh", ["-c", shell + "exec \"$@\"", "sh", Jailer, .. arguments, .. more])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["A_SECRET"] = "of the caller";
        var process = Process.Start(start)!;
        _processes.Add(process);
        return process;
    }

    /// <summary>Runs it to its end.</summary>
    public (int Status, Facts Facts, string Errors) Run(params string[] more)
    {
        using var process = Start("", more);
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        _processes.Remove(process);
        return (process.ExitCode, new(output), errors.Result);
    }

    /// <summary>Starts it and reads what the prisoner writes down; it waits until its standard input is closed.</summary>
    public (Process Process, Facts Facts) Hold(params string[] more)
    {
        var process = Start("", more);
        var lines = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line && line != "end") lines.Add(line);
        if (lines.Count == 0) Assert.Fail(process.StandardError.ReadToEnd());
        return (process, new(string.Join('\n', lines)));
    }

    /// <summary>Lets a held one go, and returns its status.</summary>
    public int Release(Process process)
    {
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        _processes.Remove(process);
        return process.ExitCode;
    }

    /// <summary>The process the pid file names.</summary>
    public int PidOfFile() => int.Parse(File.ReadAllText(Path.Combine(Root, $"{Path.GetFileName(Program)}.pid")), CultureInfo.InvariantCulture);

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
        foreach (var cgroup in Cgroups().Reverse()) Directory.Delete(cgroup);
    }

    /// <summary>The folders of this run in all hierarchies, parents first.</summary>
    public IReadOnlyList<string> Cgroups() =>
        [.. File.ReadAllLines("/proc/mounts").Select(static line => line.Split(' ')).Where(static fields => fields[2].StartsWith("cgroup", StringComparison.Ordinal))
            .Select(fields => Path.Combine(fields[1], Name)).Where(Directory.Exists)
            .SelectMany(static top => Directory.EnumerateDirectories(top, "*", SearchOption.AllDirectories).Prepend(top))];

    private static string BuildPrisoner()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "prisoner");
        using var gcc = Process.Start("gcc", ["-static", "-O1", "-o", program, Path.Combine(AppContext.BaseDirectory, "Jailer", "prisoner.c")]);
        gcc.WaitForExit();
        Assert.Equal(0, gcc.ExitCode);
        return program;
    }
}

/// <summary>What a prisoner wrote down.</summary>
internal sealed class Facts(string text)
{
    public string Text => text;

    /// <summary>The values of all lines of that name.</summary>
    public IReadOnlyList<string> All(string name) =>
        [.. text.Split('\n').Where(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Select(line => line[(name.Length + 1)..])];

    public string this[string name] => Assert.Single(All(name));
}
