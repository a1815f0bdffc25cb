using System.IO.Hashing;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// A job's log as GitLab is to have it, byte by byte, on this host's disk until GitLab has it all: sending may lag,
/// fail or be done by the next process. Written by one at a time, read by any number. Where the disk takes no more, the
/// little that is still to be said is kept in memory.
/// </summary>
internal sealed class TraceFile : IDisposable
{
    /// <summary>Enough for how a job ended and why.</summary>
    private const int MostRest = 64 * 1024;

    private readonly FileStream _file;
    private readonly MemoryStream _rest = new();
    private long _stored = long.MaxValue;
    private readonly Crc32 _crc = new();
    private long _length;

    private TraceFile(FileStream file) => _file = file;

    public string Path => _file.Name;

    public long Length => Interlocked.Read(ref _length);

    /// <summary>Of all bytes, in GitLab's form: <c>crc32:</c> and eight hexadecimal digits.</summary>
    public string Checksum => $"crc32:{_crc.GetCurrentHashAsUInt32():x8}";

    public static TraceFile Create(string path) => new(new(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.ReadWrite,
        Share = FileShare.Read,
        BufferSize = 0,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    }));

    /// <summary>One that a killed process left, to be finished.</summary>
    /// <exception cref="IOException">It is not there or cannot be read.</exception>
    public static TraceFile Continue(string path)
    {
        var trace = new TraceFile(new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0));
        var buffer = new byte[1 << 16];
        for (int count; (count = trace._file.Read(buffer)) > 0; trace._length += count) trace._crc.Append(buffer.AsSpan(0, count));
        return trace;
    }

    /// <exception cref="IOException">The disk takes no more, for the first time; from then on what is appended is kept in memory, up to a bound.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (IsFull) bytes = KeepRest(bytes);
        else Store(bytes);
        _crc.Append(bytes);
        Interlocked.Add(ref _length, bytes.Length);
    }

    /// <summary>Bytes from an offset on; fewer than asked for at the end.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        if (offset >= Interlocked.Read(ref _stored)) return ReadRest(offset, buffer);
        var wanted = (int)Math.Min(buffer.Length, Math.Min(Length, Interlocked.Read(ref _stored)) - offset);
        var got = 0;
        while (got < wanted && RandomAccess.Read(_file.SafeFileHandle, buffer[got..wanted], offset + got) is var count and > 0) got += count;
        return got;
    }

    public void Dispose() => _file.Dispose();

    private bool IsFull => Interlocked.Read(ref _stored) != long.MaxValue;

    private void Store(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _file.Write(bytes);
        }
        catch (IOException)
        {
            // Half of them may be in the file, where nobody reads beyond this.
            Interlocked.Exchange(ref _stored, Length);
            throw;
        }
    }

    private ReadOnlySpan<byte> KeepRest(ReadOnlySpan<byte> bytes)
    {
        lock (_rest)
        {
            bytes = bytes[..(int)Math.Min(bytes.Length, MostRest - _rest.Length)];
            _rest.Write(bytes);
            return bytes;
        }
    }

    private int ReadRest(long offset, Span<byte> buffer)
    {
        lock (_rest)
        {
            var left = _rest.GetBuffer().AsSpan(0, (int)_rest.Length)[(int)(offset - Interlocked.Read(ref _stored))..];
            var count = Math.Min(left.Length, buffer.Length);
            left[..count].CopyTo(buffer);
            return count;
        }
    }
}
