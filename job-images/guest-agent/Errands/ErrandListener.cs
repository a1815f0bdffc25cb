using System.Net.Sockets;
using System.Text;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Errands;

/// <summary>Puts the errand command into the job's PATH and turns each call of it into a channel.</summary>
internal static class ErrandListener
{
    private const string Folder = "/usr/local/bin";
    private const int Everybody = 0b110_110_110;
    private const int Backlog = 16;

    /// <summary>Called once, by thaw, inside the job's root. Lives as long as the process.</summary>
    public static void Start(string command, GuestConnection connection)
    {
        if (command.Contains('/') || command.Length == 0) throw new IOException($"{command} is no name of a command.");
        // A kernel of Debian's has Unix sockets as a module.
        KernelModules.Load("unix");
        KernelFile.CreateFolders(Folder);
        KernelFile.Replace($"{Folder}/{command}", [], 0b111_101_101);
        // The agent's own file, in the initramfs that nobody else can see any more.
        LinuxException.ThrowIfNegative(
            Libc.mount("/proc/self/exe", $"{Folder}/{command}", null, Libc.MS_BIND, null), $"Cannot put {command} into {Folder}");

        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(ErrandSocket.Path));
        listener.Listen(Backlog);
        _ = Libc.chmod(ErrandSocket.Path, Everybody);
        new Thread(() => Accept(listener, connection)) { IsBackground = true, Name = "errands" }.Start();
    }

    private static void Accept(Socket listener, GuestConnection connection)
    {
        while (true)
        {
            var socket = listener.Accept();
            new Thread(() => Serve(socket, connection)) { IsBackground = true, Name = "errand" }.Start();
        }
    }

    /// <summary>One call, on a thread of its own: it waits more than it works.</summary>
    private static void Serve(Socket socket, GuestConnection connection)
    {
        using (socket)
        {
            try
            {
                if (ErrandSocket.Receive(socket, Limits.MaxErrand) is not (ErrandSocket.Request, var request)) return;
                CarryAsync(socket, request, connection).GetAwaiter().GetResult();
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // The caller is gone, or asked for more than may be asked for: it sees the connection end.
            }
        }
    }

    private static async Task CarryAsync(Socket socket, byte[] request, GuestConnection connection)
    {
        await using var channel = connection.Open(ChannelKind.Errand, []);
        try
        {
            await channel.WriteAsync(request);
            channel.End();
            while (await channel.ReadAsync() is { } piece)
                ErrandSocket.Send(socket, piece.Lane == 0 ? ErrandSocket.Output : ErrandSocket.Error, piece.Bytes.Span);
            var result = Messages.Read(await channel.Result, Messages.Default.ErrandResult);
            ErrandSocket.Send(socket, ErrandSocket.Exit, [(byte)result.ExitCode]);
        }
        catch (ChannelResetException e)
        {
            ErrandSocket.Send(socket, ErrandSocket.Error, Encoding.UTF8.GetBytes($"The host refused: {e.Message}\n"));
            ErrandSocket.Send(socket, ErrandSocket.Exit, [1]);
        }
    }
}
