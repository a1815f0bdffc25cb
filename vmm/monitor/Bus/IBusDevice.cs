namespace RunnerVm.Vmm.Monitor.Bus;

/// <summary>What answers at a range of I/O ports or memory-mapped registers.</summary>
/// <remarks>Called on the thread of the vCPU that touched it, several at once; the device brings its own lock.</remarks>
internal interface IBusDevice
{
    /// <param name="offset">From the beginning of its range.</param>
    /// <param name="into">1, 2, 4 or 8 bytes, zeroed; all inside the range.</param>
    void Read(ulong offset, Span<byte> into);

    /// <param name="offset">From the beginning of its range.</param>
    /// <param name="from">1, 2, 4 or 8 bytes; all inside the range.</param>
    void Write(ulong offset, ReadOnlySpan<byte> from);
}
