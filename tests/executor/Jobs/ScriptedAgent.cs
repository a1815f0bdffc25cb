using System.Formats.Tar;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Tests.Executor.Jobs;

/// <summary>
/// An agent that keeps the protocol and understands scripts of one word a line: echo and err (text), exit, signal and die
/// (number), hang (until SIGTERM), stubborn (until the kill), deaf (for ever), panic, oom. Each call can be replaced.
/// </summary>
internal sealed class ScriptedAgent
{
    public Func<GuestChannel, FakeMachine, Task> OnThaw { get; init; } = static (channel, _) =>
        Close(channel, new ThawResult { KernelRelease = "6.1-fake", BootMilliseconds = 1, ThawMilliseconds = 2 });

    public Func<GuestChannel, FakeMachine, Task> OnExec { get; init; } = ExecAsync;

    public Func<GuestChannel, FakeMachine, Task> OnTarIn { get; init; } = static async (channel, _) =>
    {
        var tar = new MemoryStream();
        await channel.AsStream().CopyToAsync(tar);
        await Close(channel, new TarResult { Files = 1, Bytes = tar.Length });
    };

    public Func<GuestChannel, FakeMachine, Task> OnTarOut { get; init; } = static (channel, _) => SendAsync(channel, Archive(("out/a", "one"), ("b", "two")));

    /// <summary>What the host asked for, in order.</summary>
    public List<(ChannelKind Kind, ReadOnlyMemory<byte> Request)> Calls { get; } = [];

    public async Task RunAsync(FakeMachine machine)
    {
        await using var connection = await GuestConnection.OpenAsync(machine.GuestEnd, Role.Guest, "scripted", machine.Gone);
        await foreach (var channel in connection.AcceptAsync(machine.Gone))
        {
            Calls.Add((channel.Kind, channel.Request));
            _ = ServeAsync(channel, machine);
        }
    }

    public static Task Close<T>(GuestChannel channel, T result)
    {
        channel.Close(result switch
        {
            ThawResult thawed => thawed.ToPayload(),
            ExecResult ended => ended.ToPayload(),
            _ => System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(result, typeof(T), Messages.Default),
        });
        return Task.CompletedTask;
    }

    public static byte[] Archive(params (string Name, string Content)[] files)
    {
        var bytes = new MemoryStream();
        using (var tar = new TarWriter(bytes, TarEntryFormat.Gnu, leaveOpen: true))
            foreach (var (name, content) in files)
                tar.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(content)) });
        return bytes.ToArray();
    }

    public static async Task SendAsync(GuestChannel channel, byte[] archive)
    {
        await channel.WriteAsync(archive);
        await Close(channel, new TarResult { Files = 2, Bytes = archive.Length });
    }

    private async Task ServeAsync(GuestChannel channel, FakeMachine machine)
    {
        try
        {
            await (channel.Kind switch
            {
                ChannelKind.Thaw => OnThaw(channel, machine),
                ChannelKind.Exec => OnExec(channel, machine),
                ChannelKind.TarIn => OnTarIn(channel, machine),
                ChannelKind.TarOut => OnTarOut(channel, machine),
                _ => Task.CompletedTask,
            });
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The host, or the machine, is done with it.
        }
    }

    private static async Task ExecAsync(GuestChannel channel, FakeMachine machine)
    {
        var request = ExecRequest.Read(channel.Request.Span);
        foreach (var line in request.Script!.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var (word, rest) = line.Split(' ', 2) is [var w, var r] ? (w, r) : (line, "");
            switch (word)
            {
                case "echo" or "err":
                    await channel.WriteAsync(word == "echo" ? (byte)0 : (byte)1, System.Text.Encoding.UTF8.GetBytes(rest.Replace("\\n", "\n", StringComparison.Ordinal)));
                    break;
                case "env":
                    await channel.WriteAsync(System.Text.Encoding.UTF8.GetBytes(request.Environment.GetValueOrDefault(rest, "-")));
                    break;
                case "die":
                    machine.Die(int.Parse(rest), "engine: the \u001b[31mend\u001b[0m");
                    return;
                case "panic":
                    machine.Die(0, console: "[ 1.0] fine\n[ 2.0] Kernel panic - not syncing: Attempted to kill init!\n[ 2.1] more\n");
                    return;
                case "hangup":
                    await machine.GuestEnd.DisposeAsync();
                    return;
                case "console":
                    machine.Die(1, console: rest);
                    return;
                default:
                    await EndAsync(channel, machine, word, rest);
                    return;
            }
        }

        await Close(channel, new ExecResult { ExitCode = 0 });
    }

    private static async Task EndAsync(GuestChannel channel, FakeMachine machine, string word, string rest)
    {
        switch (word)
        {
            case "exit":
                await Close(channel, new ExecResult { ExitCode = int.Parse(rest) });
                break;
            case "signal":
                await Close(channel, new ExecResult { Signal = int.Parse(rest) });
                break;
            case "oom":
                await Close(channel, new ExecResult { Signal = 9, OutOfMemory = true });
                break;
            case "error":
                await Close(channel, new ExecResult { Error = rest });
                break;
            case "hang" or "stubborn":
                await UntilControlAsync(channel, kill: word == "stubborn");
                await Close(channel, new ExecResult { Signal = word == "hang" ? 15 : 9 });
                break;
            default:
                await Task.Delay(Timeout.Infinite, machine.Gone);
                break;
        }
    }

    private static async Task UntilControlAsync(GuestChannel channel, bool kill)
    {
        while (await channel.ReadAsync() is { } piece)
        {
            var control = Messages.Read(piece.Bytes, Messages.Default.ExecControl);
            if (kill ? control.Kill : control.Signal == 15) return;
        }
    }
}
