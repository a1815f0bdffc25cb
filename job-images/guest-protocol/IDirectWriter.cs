namespace RunnerVm.GuestProtocol;

/// <summary>A stream that can be written to without waiting, beside its ordinary writes and never at the same time.</summary>
public interface IDirectWriter
{
    /// <returns>How many of the bytes the stream has taken; none when it would have to wait, or has failed.</returns>
    int TryWrite(ReadOnlySpan<byte> bytes);
}
