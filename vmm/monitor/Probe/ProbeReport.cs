using System.Text.Json;

namespace RunnerVm.Vmm.Monitor.Probe;

/// <summary>The line <c>runnervm-vmm --probe</c> prints; the executor reads it.</summary>
/// <param name="Kvm">A virtual CPU could be made and ran.</param>
/// <param name="Api">KVM_GET_API_VERSION, 0 when /dev/kvm did not open.</param>
/// <param name="IterationsPerSecond">Of dec; jnz in guest ring 0.</param>
/// <param name="Real">Fast enough to be the processor itself.</param>
/// <param name="Reason">Why not real; null when it is.</param>
/// <param name="Fix">What to do about it; null when nothing is known.</param>
/// <param name="TscKhz">Measured frequency of the host's time stamp counter.</param>
internal sealed record ProbeReport(
    bool Kvm, int Api, double IterationsPerSecond, bool Real, string? Reason, string? Fix, long TscKhz = 0)
{
    public static ProbeReport Ran(int api, double iterationsPerSecond) => iterationsPerSecond > RingZeroProbe.RealAbove
        ? new(true, api, Math.Round(iterationsPerSecond), true, null, null)
        : new(true, api, Math.Round(iterationsPerSecond), false,
            $"KVM is emulated: guest ring 0 runs {iterationsPerSecond / 1e6:0.0} million iterations/s, real hardware more than 50",
            "Use a machine with hardware virtualization (bare metal, or a cloud with real nested virtualization).");

    public static ProbeReport Failed(int api, string reason, string? fix) => new(false, api, 0, false, reason, fix);

    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("kvm", Kvm);
        writer.WriteNumber("api", Api);
        writer.WriteNumber("iterationsPerSecond", IterationsPerSecond);
        writer.WriteBoolean("real", Real);
        writer.WriteString("reason", Reason);
        writer.WriteString("fix", Fix);
        writer.WriteNumber("tscKhz", TscKhz);
        writer.WriteEndObject();
    }
}
