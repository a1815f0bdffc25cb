namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>A request that is refused, with a sentence for who made it: <c>{"fault_message": …}</c>, status 400.</summary>
internal sealed class VmmFaultException(string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>400, or 413 where the data store is full.</summary>
    public int Status { get; init; } = 400;
}
