using System.IO.Hashing;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// A job's log as GitLab is to have it, byte by byte, on this host's disk until GitLab has it all: sending may lag,
/// fail or be done by the next process. Written by one at a time, read by any number.
/// </summary>
internal sealed class TraceFile : IDisposable
{
    private readonly FileStream _file;
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

    public void Append(ReadOnlySpan<byte> bytes)
    {
        _file.Write(bytes);
        _crc.Append(bytes);
        Interlocked.Add(ref _length, bytes.Length);
    }

    /// <summary>Bytes from an offset on; fewer than asked for at the end.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        var wanted = (int)Math.Min(buffer.Length, Length - offset);
        var got = 0;
        while (got < wanted && RandomAccess.Read(_file.SafeFileHandle, buffer[got..wanted], offset + got) is var count and > 0) got += count;
        return got;
    }

    public void Dispose() => _file.Dispose();
}
