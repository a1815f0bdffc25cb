using System.Buffers.Binary;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>
/// What a chain is, said as plainly as possible over an array of bytes: no limits but the specification's, loops found by
/// remembering where one has been. Null: the chain contradicts itself.
/// </summary>
internal sealed class VirtqueueModel(byte[] memory, int size, ulong table, bool indirectAllowed, int capacity)
{
    public sealed record Chain(List<(ulong Address, uint Length)> Readable, List<(ulong Address, uint Length)> Writable);

    public Chain? Walk(int head)
    {
        if (head >= size) return null;
        var chain = new Chain([], []);
        return Follow(chain, table, size, head, inIndirect: false) && Sum(chain.Readable) && Sum(chain.Writable) ? chain : null;

        bool Sum(List<(ulong, uint Length)> parts) => parts.Count <= capacity && parts.Sum(static part => part.Length) <= uint.MaxValue;
    }

    private bool Follow(Chain chain, ulong at, long count, long first, bool inIndirect)
    {
        var visited = new HashSet<long>();
        for (var index = first; ;)
        {
            if (index >= count || !visited.Add(index)) return false;
            var bytes = memory.AsSpan((int)(at + (ulong)(index * 16)), 16);
            var address = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
            var (next, write, indirect) = ((bytes[12] & 1) != 0, (bytes[12] & 2) != 0, (bytes[12] & 4) != 0);
            if (indirect)
            {
                if (inIndirect || !indirectAllowed || next || !Inside(address, length) || length == 0 || length % 16 != 0) return false;
                return length / 16 <= ushort.MaxValue && Follow(chain, address, length / 16, 0, inIndirect: true);
            }

            if (!Inside(address, length) || (!write && chain.Writable.Count > 0)) return false;
            (write ? chain.Writable : chain.Readable).Add((address, length));
            if (!next) return true;
            index = BinaryPrimitives.ReadUInt16LittleEndian(bytes[14..]);
        }
    }

    private bool Inside(ulong address, uint length) => (UInt128)address + length <= (UInt128)memory.Length;
}
