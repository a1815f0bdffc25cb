using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>
/// Writes ACPI's byte code (ACPI 6.5, 20.2): just the words our tables are made of. Objects that hold others are written by
/// a function, since their length comes first.
/// </summary>
internal sealed class AmlWriter
{
    private const byte NameOp = 0x08;
    private const byte MethodOp = 0x14;
    private const byte ScopeOp = 0x10;
    private const byte BufferOp = 0x11;
    private const byte PackageOp = 0x12;
    private const byte ReturnOp = 0xa4;
    private const byte StringPrefix = 0x0d;
    private const byte BytePrefix = 0x0a;
    private const byte WordPrefix = 0x0b;
    private const byte DwordPrefix = 0x0c;
    private static readonly byte[] DeviceOp = [0x5b, 0x82];

    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    public void Scope(string name, Action<AmlWriter> contents) => WithLength([ScopeOp], inner =>
    {
        inner.NameString(name);
        contents(inner);
    });

    public void Device(string name, Action<AmlWriter> contents) => WithLength(DeviceOp, inner =>
    {
        inner.NameString(name);
        contents(inner);
    });

    /// <summary>A method without arguments that returns a number.</summary>
    public void MethodReturning(string name, uint value) => WithLength([MethodOp], inner =>
    {
        inner.NameString(name);
        inner._bytes.Add(0);
        inner._bytes.Add(ReturnOp);
        inner.Integer(value);
    });

    public void Name(string name, uint value)
    {
        NameOf(name);
        Integer(value);
    }

    public void Name(string name, string text)
    {
        NameOf(name);
        _bytes.Add(StringPrefix);
        _bytes.AddRange(Encoding.ASCII.GetBytes(text));
        _bytes.Add(0);
    }

    /// <summary>A compressed identifier such as PNP0501 (19.3.4, EISAID).</summary>
    public void EisaName(string name, string id)
    {
        NameOf(name);
        _bytes.Add(DwordPrefix);
        var letters = ((id[0] - '@') << 10) | ((id[1] - '@') << 5) | (id[2] - '@');
        var product = Convert.ToUInt16(id[3..], 16);
        Append(letters, BinaryPrimitives.WriteUInt16BigEndian);
        Append(product, BinaryPrimitives.WriteUInt16BigEndian);

        void Append(int value, SpanWriter write)
        {
            Span<byte> bytes = stackalloc byte[sizeof(ushort)];
            write(bytes, (ushort)value);
            _bytes.AddRange(bytes);
        }
    }

    public void Package(string name, params uint[] values)
    {
        NameOf(name);
        WithLength([PackageOp], inner =>
        {
            inner._bytes.Add((byte)values.Length);
            foreach (var value in values) inner.Integer(value);
        });
    }

    /// <summary>A resource template; the end tag is added (6.4.2.9).</summary>
    public void Resources(string name, params byte[][] descriptors)
    {
        byte[] all = [.. descriptors.SelectMany(static descriptor => descriptor), 0x79, 0];
        NameOf(name);
        WithLength([BufferOp], inner =>
        {
            inner.Integer((uint)all.Length);
            inner._bytes.AddRange(all);
        });
    }

    /// <summary>The smallest encoding (20.2.3); one and zero have their own.</summary>
    private void Integer(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        switch (value)
        {
            case 0 or 1:
                _bytes.Add((byte)value);
                break;
            case <= byte.MaxValue:
                _bytes.AddRange([BytePrefix, bytes[0]]);
                break;
            case <= ushort.MaxValue:
                _bytes.Add(WordPrefix);
                _bytes.AddRange(bytes[..2]);
                break;
            default:
                _bytes.Add(DwordPrefix);
                _bytes.AddRange(bytes);
                break;
        }
    }

    private void NameOf(string name)
    {
        _bytes.Add(NameOp);
        NameString(name);
    }

    /// <summary>A segment of four characters, or one below the root: \_SB_.</summary>
    private void NameString(string name) => _bytes.AddRange(Encoding.ASCII.GetBytes(name));

    /// <summary>The length counts its own bytes: one for up to 63, else two to four, of which the first holds four bits (20.2.4).</summary>
    private void WithLength(ReadOnlySpan<byte> operation, Action<AmlWriter> contents)
    {
        _bytes.AddRange(operation);
        var inner = new AmlWriter();
        contents(inner);
        var length = inner._bytes.Count;
        if (length + 1 <= 0x3f) _bytes.Add((byte)(length + 1));
        else
        {
            var extra = length + 2 <= 0xfff ? 1 : 2;
            length += 1 + extra;
            _bytes.Add((byte)((extra << 6) | (length & 0xf)));
            for (var i = 0; i < extra; i++) _bytes.Add((byte)(length >> (4 + (8 * i))));
        }

        _bytes.AddRange(inner._bytes);
    }

    private delegate void SpanWriter(Span<byte> into, ushort value);
}
