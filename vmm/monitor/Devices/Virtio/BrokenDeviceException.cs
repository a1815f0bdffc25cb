namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// The driver broke the rules in a way after which nothing it says can be trusted: a ring that contradicts itself, memory
/// that is not there. The machine is stopped; the message names device, queue and field.
/// </summary>
internal sealed class BrokenDeviceException(string device, int? queue, string where, string problem)
    : Exception($"{device}{(queue is { } q ? $", queue {q}" : "")}, {where}: {problem}.")
{
    public string Device => device;

    public int? Queue => queue;

    /// <summary>The field, in the specification's words: <c>avail.idx</c>.</summary>
    public string Where => where;
}
