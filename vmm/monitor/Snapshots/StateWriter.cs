using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// Writes a machine's state: little-endian numbers and C structures, in records that say what they are, of which version and
/// how long.
/// </summary>
internal sealed class StateWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(64 * 1024);

    public ReadOnlyMemory<byte> Written => _bytes.WrittenMemory;

    /// <summary>One record: <paramref name="write"/> writes what is in it.</summary>
    public void Record(StateRecord kind, byte version, Action<StateWriter> write)
    {
        var content = new StateWriter();
        write(content);
        Number((byte)kind);
        Number(version);
        Number(content._bytes.WrittenCount);
        _bytes.Write(content._bytes.WrittenSpan);
    }

    public void Flag(bool value) => Number(value ? (byte)1 : (byte)0);

    /// <summary>A number or a C structure, as it lies in memory: this machine is little-endian, and so is every host of ours.</summary>
    public void Number<T>(T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(_bytes.GetSpan(Size<T>()), in value);
        _bytes.Advance(Size<T>());
    }

    /// <summary>Behind its length.</summary>
    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        _bytes.Write(length);
        _bytes.Write(bytes);
    }

    /// <summary>Structures of one kind, behind their number.</summary>
    public void Items<T>(ReadOnlySpan<T> items)
        where T : unmanaged
    {
        Number(items.Length);
        _bytes.Write(MemoryMarshal.AsBytes(items));
    }

    private static int Size<T>()
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(new T[1])).Length;
}

/// <summary>What a record holds. Numbers are never used again.</summary>
internal enum StateRecord : byte
{
    Configuration = 1,
    Host = 2,
    Machine = 3,
    Vcpu = 4,
    SerialPort = 5,
    Keyboard = 6,
    Transport = 7,
    Device = 8,
}
