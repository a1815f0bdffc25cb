using System.Buffers.Binary;

namespace RunnerVm.GuestAgent.Network;

/// <summary>Just enough of the eBPF instruction set (RFC 9669) to write a short program by hand, with labels.</summary>
internal sealed class BpfAssembler
{
    public const int R0 = 0, R1 = 1, R2 = 2, R3 = 3, R4 = 4, R6 = 6, R7 = 7, R8 = 8, R9 = 9, FramePointer = 10;

    private readonly List<ulong> _code = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(int At, string Label)> _jumps = [];

    public void Label(string name) => _labels.Add(name, _code.Count);

    public void Move(int to, int from) => Emit(0xBF, to, from, 0, 0);

    public void Set(int to, int value) => Emit(0xB7, to, 0, 0, value);

    public void Add(int to, int value) => Emit(0x07, to, 0, 0, value);

    public void And(int to, int mask) => Emit(0x57, to, 0, 0, mask);

    /// <summary>to = *(u32 *)(from + offset)</summary>
    public void Load32(int to, int from, int offset) => Emit(0x61, to, from, offset, 0);

    /// <summary>*(u32 *)(to + offset) = from</summary>
    public void Store32(int to, int offset, int from) => Emit(0x63, to, from, offset, 0);

    public void Store32Value(int to, int offset, int value) => Emit(0x62, to, 0, offset, value);

    public void Jump(string label) => EmitJump(0x05, 0, 0, label);

    public void JumpIfEqual(int register, int value, string label) => EmitJump(0x15, register, value, label);

    public void JumpIfNotEqual(int register, int value, string label) => EmitJump(0x55, register, value, label);

    /// <summary>A map by its descriptor; takes two slots.</summary>
    public void LoadMap(int to, int fd)
    {
        Emit(0x18, to, 1, 0, fd);
        _code.Add(0);
    }

    public void Call(int function) => Emit(0x85, 0, 0, 0, function);

    public void Exit() => Emit(0x95, 0, 0, 0, 0);

    /// <summary>Eight bytes an instruction, jumps resolved.</summary>
    public byte[] Assemble()
    {
        var bytes = new byte[_code.Count * 8];
        for (var i = 0; i < _code.Count; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * 8), _code[i]);
        foreach (var (at, label) in _jumps)
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan((at * 8) + 2), (short)(_labels[label] - at - 1));
        return bytes;
    }

    private void EmitJump(byte opcode, int register, int value, string label)
    {
        _jumps.Add((_code.Count, label));
        Emit(opcode, register, 0, 0, value);
    }

    private void Emit(byte opcode, int to, int from, int offset, int value) =>
        _code.Add(opcode | ((ulong)(to | (from << 4)) << 8) | ((ulong)(ushort)offset << 16) | ((ulong)(uint)value << 32));
}
