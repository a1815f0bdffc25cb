using System.Globalization;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>
/// From the command line to <see cref="Arguments"/>. Ours is a dozen lines long because the program that holds the guest's
/// memory should not carry a library for it.
/// </summary>
internal static class ArgumentParser
{
    private const int MostId = 64;

    /// <summary>Of a body or the metadata: far more than a machine's description needs, and nothing overflows.</summary>
    private const int MostBytes = 1 << 28;

    private static readonly Option[] Options =
    [
        new("--api-sock", "PATH", "Unix socket of the API. Default: /run/firecracker.socket", static (a, v) => a with { ApiSocket = v }),
        new("--no-api", null, "Serve no API; takes --config-file.", static (a, _) => a with { NoApi = true }),
        new("--config-file", "PATH", "Configuration of the whole machine, which starts at once.", static (a, v) => a with { ConfigFile = v }),
        new("--id", "ID", "Name of this machine: letters, digits and '-', at most 64.", static (a, v) => a with { Id = CheckId(v) }),
        new("--boot-timer", null, "Give the guest a device to tell that it is up, and log how long it took.", static (a, _) => a with { BootTimer = true }),
        new("--metadata", "PATH", "JSON file with the metadata service's contents.", static (a, v) => a with { Metadata = v }),
        new("--mmds-size-limit", "BYTES", "Most the metadata may have. Default: as the payload.", static (a, v) => a with { MmdsLimit = CheckSize("--mmds-size-limit", v) }),
        new("--http-api-max-payload-size", "BYTES", "Most a request's body may have. Default: 51200.",
            static (a, v) => a with { PayloadLimit = CheckSize("--http-api-max-payload-size", v) }),
        new("--log-path", "PATH", "File or named pipe for the log. Default: standard output.", static (a, v) => a with { LogPath = v }),
        new("--level", "LEVEL", "Off, Error, Warning, Info, Debug or Trace.", static (a, v) => a with { Level = CheckLevel(v) }),
        new("--module", "NAME", "Log this part of the monitor only.", static (a, v) => a with { Module = v }),
        new("--show-level", null, "Show each line's level.", static (a, _) => a with { ShowLevel = true }),
        new("--show-log-origin", null, "Show which part of the monitor each line is from.", static (a, _) => a with { ShowLogOrigin = true }),
        new("--metrics-path", "PATH", "File or named pipe for the metrics.", static (a, v) => a with { MetricsPath = v }),
        new("--no-seccomp", null, "Filter no system calls.", static (a, _) => a with { NoSeccomp = true }),
        new("--start-time-us", "MICROSECONDS", "When the caller began, on the monotonic clock.", static (a, v) => a with { StartTimeUs = CheckTime("--start-time-us", v) }),
        new("--start-time-cpu-us", "MICROSECONDS", "Accepted, and not used.", static (a, v) => a.Checked(CheckTime("--start-time-cpu-us", v))),
        new("--parent-cpu-time-us", "MICROSECONDS", "Accepted, and not used.", static (a, v) => a.Checked(CheckTime("--parent-cpu-time-us", v))),
        new("--seccomp-filter", "PATH", "Refused: the filter is part of this program.", static (_, _) =>
            throw new ArgumentProblemException("--seccomp-filter is not here: the filter is part of this program. Leave the option out, or switch filtering off with --no-seccomp.")),
        new("--enable-pci", null, "Refused: devices are on virtio-mmio.", static (_, _) =>
            throw new ArgumentProblemException("--enable-pci is not here: devices are on virtio-mmio. Leave the option out.")),
    ];

    public static string Usage { get; } = string.Concat(
    [
        "Usage: runnervm-vmm [OPTION]...    Run a virtual machine, driven by Firecracker's API.\n",
        "       runnervm-vmm --probe        Measure guest ring 0 and print one JSON line.\n",
        "       runnervm-vmm --version | --help\n\n",
        .. Options.Select(static option => $"  {option.Name + (option.Value is null ? "" : $" {option.Value}"),-38} {option.Help}\n"),
        "\nExit status: 0 the guest ended the machine; 1 the machine failed; 3 a driver in the guest broke a device;\n",
        "148 a forbidden system call; 152 the configuration file is wrong; 153 these arguments are wrong.\n",
    ]);

    /// <exception cref="ArgumentProblemException">With a sentence for who typed it.</exception>
    public static Arguments Parse(IReadOnlyList<string> words)
    {
        var arguments = new Arguments();
        var seen = new HashSet<string>();
        for (var i = 0; i < words.Count; i++)
        {
            var equals = words[i].IndexOf('=', StringComparison.Ordinal);
            var name = equals > 0 ? words[i][..equals] : words[i];
            var option = Options.FirstOrDefault(option => option.Name == name) ?? throw Unknown(words[i], name);
            if (!seen.Add(name)) throw new ArgumentProblemException($"{name} is given twice.");
            var value = equals > 0 ? words[i][(equals + 1)..] : "";
            if (option.Value is null && equals > 0) throw new ArgumentProblemException($"{name} takes no value.");
            if (option.Value is not null && equals < 0)
                value = ++i < words.Count && !words[i].StartsWith("--", StringComparison.Ordinal) ? words[i] : throw ValueMissing(option);
            arguments = option.Apply(arguments, value);
        }

        if (arguments is { NoApi: true, ConfigFile: null })
            throw new ArgumentProblemException("--no-api takes --config-file: nobody could tell the machine what it is.");
        return arguments;
    }

    /// <summary>As in Firecracker, no value begins with two hyphens: an option whose value was forgotten must not swallow the next one.</summary>
    private static ArgumentProblemException ValueMissing(Option option) => new($"{option.Name} takes a value: {option.Name} {option.Value}.");

    private static ArgumentProblemException Unknown(string word, string name)
    {
        var nearest = NearestName.Of(name, Options.Select(static option => option.Name));
        return new($"There is no argument {word}.{(nearest is null ? "" : $" Did you mean {nearest}?")} See --help.");
    }

    private static string CheckId(string id) => id.Length is >= 1 and <= MostId && id.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-')
        ? id
        : throw new ArgumentProblemException($"--id {id}: may have 1 to {MostId} letters, digits and '-'.");

    private static string CheckLevel(string level) => Logging.LogLevels.Parse(level) is not null
        ? level
        : throw new ArgumentProblemException($"--level {level}: choose {Logging.LogLevels.Known}.");

    private static int CheckSize(string name, string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size is > 0 and <= MostBytes
        ? size
        : throw new ArgumentProblemException($"{name} {text}: takes a number of bytes, 1 to {MostBytes}.");

    private static long CheckTime(string name, string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var time)
        ? time
        : throw new ArgumentProblemException($"{name} {text}: takes a number of microseconds.");

    private static Arguments Checked(this Arguments arguments, long _) => arguments;

    /// <param name="Value">What it takes, for people; null: nothing.</param>
    private sealed record Option(string Name, string? Value, string Help, Func<Arguments, string, Arguments> Apply);
}

/// <summary>The command line is wrong; the message is for who typed it.</summary>
internal sealed class ArgumentProblemException(string message) : Exception(message);
