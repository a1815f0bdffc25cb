using System.Globalization;

namespace RunnerVm.Vmm.Jailer;

/// <summary>Reads the command line. Every problem is gathered, so that one run tells them all.</summary>
internal sealed class ArgumentParser
{
    public const string Usage = """
        Usage: runnervm-jailer --id ID --exec-file PROGRAM --uid UID --gid GID [OPTION...] [-- ARGUMENT...]

        Starts PROGRAM --id ID ARGUMENT... as UID:GID, without capabilities, in a root directory of its own:
        BASE/PROGRAM's name/ID/root, which may hold files for it already.

          --id ID                     1 to 64 letters, digits and hyphens
          --exec-file PROGRAM         copied into the jail; statically linked, or all it loads is in the jail
          --uid UID, --gid GID        numbers
          --chroot-base-dir BASE      where jails are (/srv/jailer)
          --netns HANDLE              join this network namespace, such as /run/netns/NAME
          --new-pid-ns                PROGRAM is process 1 of a pid namespace
          --daemonize                 PROGRAM leads a session of its own, its standard files on /dev/null
          --cgroup FILE=VALUE         write VALUE in a cgroup of its own, such as cpu.shares=512; repeatable
          --cgroup-version 1|2        which hierarchies (1)
          --parent-cgroup PATH        where that cgroup is made (PROGRAM's name)
          --resource-limit NAME=VALUE fsize (bytes of a file written) or no-file (open files, 2048); repeatable
          --version, --help

        With --new-pid-ns or --daemonize the jailer ends once PROGRAM runs; its process is in root/PROGRAM's name.pid.
        Exit status: the program's, or 0 when it runs on its own; 2 bad arguments, nothing was touched;
        125 a step failed, what was made is left; 126 the program cannot be started.

        """;

    /// <summary>The limit binds us too, when we write the number of the process.</summary>
    private const int SmallestFile = 4096;
    private static readonly string[] Flags = ["--daemonize", "--new-pid-ns"];
    private static readonly string[] Repeatable = ["--cgroup", "--resource-limit"];
    private readonly List<string> _problems = [];
    private readonly List<CgroupValue> _cgroups = [];
    private JailRequest _request = new();

    private ArgumentParser()
    {
    }

    public static (JailRequest Request, IReadOnlyList<string> Problems) Parse(IReadOnlyList<string> arguments)
    {
        var parser = new ArgumentParser();
        parser.ReadAll(arguments);
        return (parser._request with { CgroupValues = parser._cgroups }, parser._problems);
    }

    private void ReadAll(IReadOnlyList<string> arguments)
    {
        var seen = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var name = arguments[i];
            if (name == "--")
            {
                _request = _request with { ProgramArguments = [.. arguments.Skip(i + 1)] };
                break;
            }

            if (seen.Contains(name) && !Repeatable.Contains(name)) _problems.Add($"{name} is given twice.");
            seen.Add(name);
            if (Flags.Contains(name)) ReadFlag(name);
            else if (i + 1 == arguments.Count || arguments[i + 1] == "--") _problems.Add(IsOption(name) ? $"{name} lacks its value." : Unknown(name));
            else if (IsOption(name)) ReadValue(name, arguments[++i]);
            else _problems.Add(Unknown(name));
        }

        foreach (var needed in new[] { "--id", "--exec-file", "--uid", "--gid" })
        {
            if (!seen.Contains(needed)) _problems.Add($"{needed} is missing.");
        }
    }

    private static bool IsOption(string name) => name is "--id" or "--exec-file" or "--uid" or "--gid" or "--chroot-base-dir" or "--netns"
        or "--cgroup" or "--cgroup-version" or "--parent-cgroup" or "--resource-limit";

    private static string Unknown(string name) => $"{name}: there is no such argument (those of the program come after --).";

    private void ReadFlag(string name) =>
        _request = name == "--daemonize" ? _request with { Daemonize = true } : _request with { NewPidNamespace = true };

    private void ReadValue(string name, string value)
    {
        switch (name)
        {
            case "--id": _request = _request with { Id = CheckId(value) }; break;
            case "--exec-file": _request = _request with { ExecFile = CheckPath(name, value) }; break;
            case "--uid": _request = _request with { Uid = CheckNumber(name, value) }; break;
            case "--gid": _request = _request with { Gid = CheckNumber(name, value) }; break;
            case "--chroot-base-dir": _request = _request with { ChrootBase = CheckPath(name, value) }; break;
            case "--netns": _request = _request with { NetworkNamespace = CheckPath(name, value) }; break;
            case "--cgroup-version": _request = _request with { CgroupVersion = CheckVersion(value) }; break;
            case "--parent-cgroup": _request = _request with { ParentCgroup = CheckParent(value) }; break;
            case "--cgroup": ReadCgroup(value); break;
            case "--resource-limit": ReadLimit(value); break;
        }
    }

    private string CheckId(string id)
    {
        if (id.Length is 0 or > 64) _problems.Add($"--id: it has {id.Length} characters, and may have 1 to 64.");
        if (id.Any(static c => !char.IsAsciiLetterOrDigit(c) && c != '-'))
            _problems.Add($"--id {id}: it names a folder and a cgroup, so only letters, digits and hyphens.");
        return id;
    }

    private string CheckPath(string name, string path)
    {
        if (path.Length != 0) return Path.GetFullPath(path);
        _problems.Add($"{name}: the path is empty.");
        return path;
    }

    /// <summary>The largest number means "leave it as it is" to setresuid(2), so it is nobody's.</summary>
    private uint CheckNumber(string name, string value)
    {
        if (uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number != uint.MaxValue) return number;
        _problems.Add($"{name} {value}: a number from 0 to 4294967294.");
        return 0;
    }

    private int CheckVersion(string value)
    {
        if (value is not ("1" or "2")) _problems.Add($"--cgroup-version {value}: 1 or 2.");
        return value == "2" ? 2 : 1;
    }

    private string CheckParent(string path)
    {
        if (path.Length == 0 || path.Split('/').Any(static part => part is "" or "." or ".."))
            _problems.Add($"--parent-cgroup {path}: a path below the hierarchy's mount, such as machines/small, without . and ..");
        return path;
    }

    private void ReadCgroup(string text)
    {
        var (file, value) = Split(text);
        if (value.Length == 0 || value.Contains('\n', StringComparison.Ordinal) || !IsCgroupFile(file)
            || file.StartsWith("cgroup.", StringComparison.Ordinal) && file is not ("cgroup.max.depth" or "cgroup.max.descendants"))
        {
            _problems.Add($"--cgroup {text}: FILE=VALUE with a controller's file, such as cpu.shares=512.");
            return;
        }

        _cgroups.Add(new(file, value));
    }

    /// <summary>No slash, so the file is one of the cgroup's own.</summary>
    private static bool IsCgroupFile(string file) =>
        file.IndexOf('.', StringComparison.Ordinal) is var dot && dot > 0 && dot < file.Length - 1
        && file.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private void ReadLimit(string text)
    {
        var (name, value) = Split(text);
        var isNumber = ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        switch (name)
        {
            case "fsize" when isNumber && number >= SmallestFile: _request = _request with { FileSizeLimit = number }; break;
            case "no-file" when isNumber: _request = _request with { OpenFilesLimit = number }; break;
            default: _problems.Add($"--resource-limit {text}: fsize=BYTES (4096 or more) or no-file=NUMBER."); break;
        }
    }

    private static (string Name, string Value) Split(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is var at && at > 0 ? (text[..at], text[(at + 1)..]) : (text, "");
}
