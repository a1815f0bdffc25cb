using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// A file as a stream of exactly the length it had: cut when it has grown since, filled with zeros when it has shrunk,
/// because the header that tells the length is written before the content is read.
/// </summary>
internal sealed unsafe class ExactFile(SafeFileHandle file, long length) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        buffer = buffer[..(int)Math.Min(buffer.Length, length - _position)];
        if (buffer.IsEmpty) return 0;
        nint count;
        // SAFETY: the span is pinned for the length of the call.
        fixed (byte* start = buffer) count = Libc.read(file, start, (nuint)buffer.Length);
        if (count <= 0)
        {
            buffer.Clear();
            count = buffer.Length;
        }

        _position += count;
        return (int)count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
