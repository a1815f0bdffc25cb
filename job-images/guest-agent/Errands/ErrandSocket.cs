using System.Buffers.Binary;
using System.Net.Sockets;

namespace RunnerVm.GuestAgent.Errands;

/// <summary>
/// What the errand command and the agent say to each other: pieces of one type byte, a length of four and that many
/// bytes. The command sends one request; the agent sends output and at last one exit.
/// </summary>
internal static class ErrandSocket
{
    public const byte Request = 0;
    public const byte Output = 1;
    public const byte Error = 2;
    public const byte Exit = 3;

    /// <summary>Everybody in the guest may call; all of it is the job's.</summary>
    public const string Path = "/run/runnervm-errands";

    private const int HeaderSize = 5;

    public static void Send(Socket socket, byte type, ReadOnlySpan<byte> content)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        header[0] = type;
        BinaryPrimitives.WriteInt32LittleEndian(header[1..], content.Length);
        SendAll(socket, header);
        SendAll(socket, content);
    }

    /// <returns>Null at the end of the connection.</returns>
    /// <exception cref="IOException">A piece is longer than <paramref name="most"/> or cut short.</exception>
    public static (byte Type, byte[] Content)? Receive(Socket socket, int most)
    {
        var header = new byte[HeaderSize];
        if (!ReceiveAll(socket, header)) return null;
        var length = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(1));
        if (length < 0 || length > most) throw new IOException($"A piece of {length} bytes is too long.");
        var content = new byte[length];
        if (!ReceiveAll(socket, content)) throw new IOException("The connection ended in the middle of a piece.");
        return (header[0], content);
    }

    private static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
    }

    private static bool ReceiveAll(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = socket.Receive(bytes);
            if (count == 0) return false;
            bytes = bytes[count..];
        }

        return true;
    }
}
