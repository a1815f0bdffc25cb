using System.Net.Sockets;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Errands;

/// <summary>This program as a command of the job: hands its arguments to the agent and prints what comes back.</summary>
internal static class ErrandCommand
{
    private const int Failed = 1;

    public static int Run(string[] arguments)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(ErrandSocket.Path));
            var request = new ErrandRequest { Arguments = arguments, Folder = Environment.CurrentDirectory };
            ErrandSocket.Send(socket, ErrandSocket.Request, Messages.Write(request, Messages.Default.ErrandRequest));
            return Print(socket);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            Console.Error.WriteLine($"The agent of this machine does not answer: {e.Message}");
            return Failed;
        }
    }

    private static int Print(Socket socket)
    {
        using var output = Console.OpenStandardOutput();
        using var error = Console.OpenStandardError();
        while (ErrandSocket.Receive(socket, Limits.MaxPayload) is var (type, content))
        {
            if (type == ErrandSocket.Exit) return content.Length == 1 ? content[0] : Failed;
            (type == ErrandSocket.Error ? error : output).Write(content);
        }

        Console.Error.WriteLine("The agent of this machine broke off.");
        return Failed;
    }
}
