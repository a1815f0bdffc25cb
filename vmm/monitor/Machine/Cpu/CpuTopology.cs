namespace RunnerVm.Vmm.Monitor.Machine.Cpu;

/// <summary>
/// How the vCPUs lie on one package: with SMT two threads a core. The APIC id is the vCPU's number; its lowest bit is
/// the thread where there are two.
/// </summary>
internal readonly record struct CpuTopology(int Vcpus, bool Smt)
{
    public int ThreadsPerCore => Smt && Vcpus > 1 ? 2 : 1;

    public int Cores => (Vcpus + ThreadsPerCore - 1) / ThreadsPerCore;

    /// <summary>Bits of the APIC id below the core's number.</summary>
    public int ThreadBits => ThreadsPerCore - 1;

    /// <summary>Bits of the APIC id below the package's number.</summary>
    public int PackageBits => Vcpus == 1 ? 0 : System.Numerics.BitOperations.Log2((uint)Vcpus - 1) + 1;
}
