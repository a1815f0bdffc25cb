using System.Text;

namespace RunnerVm.Machines;

/// <summary>
/// The last bytes of a stream that may never end: a guest's console, an engine's complaints. Holds at most
/// <paramref name="capacity"/> bytes whatever is written; safe for one writer and any number of readers.
/// </summary>
internal sealed class BoundedTail(int capacity)
{
    /// <summary>Enough for a kernel's last words with their call trace.</summary>
    public const int DefaultCapacity = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly byte[] _ring = new byte[capacity];
    private int _next;
    private bool _wrapped;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > capacity) bytes = bytes[^capacity..];
        lock (_gate)
        {
            var first = Math.Min(bytes.Length, capacity - _next);
            bytes[..first].CopyTo(_ring.AsSpan(_next));
            bytes[first..].CopyTo(_ring);
            _wrapped |= _next + bytes.Length >= capacity;
            _next = (_next + bytes.Length) % capacity;
        }
    }

    public byte[] ToArray()
    {
        lock (_gate)
        {
            return _wrapped
                ? [.. _ring.AsSpan(_next), .. _ring.AsSpan(0, _next)]
                : _ring.AsSpan(0, _next).ToArray();
        }
    }

    /// <summary>As text that is safe to print: no control character but line feed and tab survives, carriage returns vanish.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Encoding.UTF8.GetString(ToArray()));
        text.Replace("\r", "");
        for (var i = 0; i < text.Length; i++)
            if (char.IsControl(text[i]) && text[i] is not ('\n' or '\t'))
                text[i] = '\uFFFD';
        return text.ToString();
    }

    /// <summary>Reads <paramref name="stream"/> to its end, however long, so that the writer never waits for us.</summary>
    public async Task FillFromAsync(Stream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[4096];
        for (int read; (read = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
            Append(buffer.AsSpan(0, read));
    }
}
