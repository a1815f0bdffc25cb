using System.Buffers.Text;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// What a host says first on a connection to our socket: <c>CONNECT port\n</c>. Bytes after that line are the guest's and
/// stay in the socket, so they are looked at before they are read.
/// </summary>
/// <param name="stream">Owned until <see cref="TakeStream"/>.</param>
internal sealed class VsockHandshake(FileDescriptor stream) : IDisposable
{
    /// <summary>Firecracker's bound; the longest sensible line is shorter.</summary>
    private const int LongestLine = 32;

    private readonly byte[] _line = new byte[LongestLine];
    private int _length;
    private FileDescriptor? _stream = stream;

    public Watch? Watch { get; set; }

    /// <summary>Reads what is there.</summary>
    /// <param name="port">The guest's, once the line is complete.</param>
    /// <returns>Whether it is complete; null while it is not.</returns>
    public bool? TryRead(out uint port)
    {
        port = 0;
        var there = (int)UnixSocket.Peek(_stream!, _line.AsSpan(_length));
        if (there == -LibC.EAGAIN) return null;
        if (there <= 0) return false;
        var end = _line.AsSpan(_length, there).IndexOf((byte)'\n');
        var taken = end < 0 ? there : end + 1;
        if (UnixSocket.Read(_stream!, _line.AsSpan(_length, taken)) != taken) return false;
        _length += taken;
        if (end >= 0) return TryParse(_line.AsSpan(0, _length - 1), out port);
        return _length < LongestLine ? null : false;
    }

    /// <summary>The caller's from now on.</summary>
    public FileDescriptor TakeStream()
    {
        Watch?.Dispose();
        var stream = _stream!;
        _stream = null;
        return stream;
    }

    public void Dispose()
    {
        Watch?.Dispose();
        _stream?.Dispose();
    }

    private static bool TryParse(ReadOnlySpan<byte> line, out uint port)
    {
        port = 0;
        line = line.Trim((byte)' ').TrimEnd("\r "u8);
        if (line.Length < 9 || !System.Text.Ascii.EqualsIgnoreCase(line[..8], "CONNECT "u8)) return false;
        var number = line[8..].TrimStart((byte)' ');
        return Utf8Parser.TryParse(number, out port, out var used) && used == number.Length;
    }
}
