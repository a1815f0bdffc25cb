using RunnerVm.Commands;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Logs;

namespace RunnerVm.Tests.Lab;

/// <summary>The command line of tests/lab/run, whose head says what it takes.</summary>
internal sealed class LabCommand
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>What timeout(1) says.</summary>
    private const int TimedOut = 124;

    private TimeSpan _timeout = TimeSpan.FromMinutes(10);
    private string? _send;
    private string? _receiveInto;
    private readonly List<string> _receive = [];
    private LabRequest _request = new();
    private string? _script;

    /// <returns>The script's status; 124 when its time was over, 2 for a wrong command line.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var command = new LabCommand();
        if (command.Parse(arguments) is { } problem)
        {
            await Console.Error.WriteLineAsync($"tests/lab/run: {problem}");
            return ExitCodes.Usage;
        }

        try
        {
            return await command.RunAsync();
        }
        catch (UserException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return e.ExitCode;
        }
    }

    private string? Parse(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            var name = arguments[i];
            if (name == "--")
            {
                _script = string.Join(' ', arguments.Skip(i + 1).Select(Quote));
                break;
            }

            if (++i == arguments.Count) return $"{name} needs a value, or it is unknown; the head of the script says what there is";
            if (Take(name, arguments[i]) is { } problem) return problem;
        }

        return string.IsNullOrEmpty(_script) ? "nothing to run: put a command after --, or name a script by --script" : null;
    }

    private string? Take(string name, string value)
    {
        var number = int.TryParse(value, out var parsed) && parsed > 0 ? parsed : 0;
        switch (name)
        {
            case "--timeout" when number > 0: _timeout = TimeSpan.FromSeconds(number); return null;
            case "--memory" when number >= 512: _request = _request with { MemoryMib = number }; return null;
            case "--place" when Enum.TryParse<LabPlace>(value, ignoreCase: true, out var place): _request = _request with { Place = place }; return null;
            case "--send" when Directory.Exists(value): _send = value; return null;
            case "--receive": _receive.Add(value); return null;
            case "--into" when !Path.Exists(value): _receiveInto = value; return null;
            case "--script" when File.Exists(value): _script = File.ReadAllText(value); return null;
            default: return $"{name} {value}: unknown, or not a value it can have; the head of the script says what there is";
        }
    }

    private async Task<int> RunAsync()
    {
        using var stop = new StopRequest(TimeProvider.System, Grace);
        using var signals = StopSignals.Attach(stop);
        await using var output = Console.OpenStandardOutput();
        await using var errors = Console.OpenStandardError();
        await using var lab = await StartAsync(stop.Asked);
        if (_send is not null) await lab.SendAsync(_send, "in", stop.Asked);

        var late = false;
        await using var timer = TimeProvider.System.CreateTimer(_ =>
        {
            late = true;
            stop.Ask();
        }, null, _timeout, Timeout.InfiniteTimeSpan);
        var status = TimedOut;
        try
        {
            status = await lab.RunAsync(_script!, async (stream, bytes) => await (stream == OutputStream.StandardError ? errors : output).WriteAsync(bytes), stop);
        }
        catch (OperationCanceledException) when (stop.Asked.IsCancellationRequested)
        {
            // Killed with its machine.
        }

        if (_receive.Count > 0) await lab.ReceiveAsync(_receive, Path.GetFullPath(_receiveInto ?? "lab-results"), CancellationToken.None);
        if (!late) return status;
        await Console.Error.WriteLineAsync($"lab: stopped after {_timeout.TotalSeconds} s");
        return TimedOut;
    }

    private async Task<Lab> StartAsync(CancellationToken cancellationToken)
    {
        var progress = new Progress();
        var lab = await Lab.StartAsync(LabPlaces.FromEnvironment(), _request, progress, cancellationToken);
        await Console.Error.WriteLineAsync($"lab: {lab.Description}, up after {lab.UpTime.TotalSeconds:0.0} s");
        return lab;
    }

    private static string Quote(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private sealed class Progress : IProgress<BuildProgress>
    {
        private string _last = "";

        public void Report(BuildProgress value)
        {
            var line = $"lab: {value.What}: {value.Text}";
            if (line == Interlocked.Exchange(ref _last, line)) return;
            Console.Error.WriteLine(line);
        }
    }
}
