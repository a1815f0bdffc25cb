using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>
/// One call on the keeper's socket: a piece is a type byte, a length of four and that many bytes. The caller sends the
/// call, the script, and perhaps a stop; the keeper sends output and at last one reply. Both ends are ours.
/// </summary>
internal sealed class KeeperLink(Socket socket) : IDisposable
{
    public const byte Call = 1;
    public const byte Script = 2;
    public const byte Stop = 3;
    public const byte Output = 4;
    public const byte Error = 5;
    public const byte Reply = 6;

    private const int HeaderSize = 5;
    private const int LongestPiece = 64 << 20;

    private readonly SemaphoreSlim _turn = new(1, 1);

    public async Task SendAsync(byte type, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var header = new byte[HeaderSize];
        header[0] = type;
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(1), content.Length);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await SendAllAsync(header, cancellationToken);
            await SendAllAsync(content, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task SendAsync<T>(byte type, T message, JsonTypeInfo<T> json, CancellationToken cancellationToken) =>
        SendAsync(type, JsonSerializer.SerializeToUtf8Bytes(message, json), cancellationToken);

    /// <returns>Null when the other end is gone.</returns>
    public async Task<(byte Type, byte[] Content)?> ReceiveAsync(CancellationToken cancellationToken)
    {
        var header = new byte[HeaderSize];
        if (!await ReceiveAllAsync(header, cancellationToken)) return null;
        var length = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(1));
        if (length is < 0 or > LongestPiece) throw new IOException($"A call on the keeper's socket has a piece of {length} bytes.");
        var content = new byte[length];
        return await ReceiveAllAsync(content, cancellationToken) ? (header[0], content) : null;
    }

    public void Dispose()
    {
        socket.Dispose();
        _turn.Dispose();
    }

    private async Task SendAllAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty) bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
    }

    private async Task<bool> ReceiveAllAsync(Memory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            int count;
            try
            {
                count = await socket.ReceiveAsync(bytes, SocketFlags.None, cancellationToken);
            }
            catch (SocketException)
            {
                return false;
            }

            if (count == 0) return false;
            bytes = bytes[count..];
        }

        return true;
    }
}
