using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// A machine's state, all but its memory. The order of the records is the order in which they are restored: configuration,
/// host, vCPUs, the machine's chips, serial port, keyboard, devices.
/// </summary>
internal sealed class SavedMachine
{
    private const byte ConfigurationVersion = 1;
    private const byte HostVersion = 1;
    private const int MostConfiguration = 1 << 20;
    private const int MostCpuid = 256;

    private readonly byte[] _file;
    private readonly int _start;

    private SavedMachine(SnapshotLoad load, Serial? console, byte[] file)
    {
        (Load, _file) = (load, file);
        var records = StateFile.Open(file);
        var reader = new StateReader(records);
        var configuration = reader.Record(StateRecord.Configuration, ConfigurationVersion);
        Resources = SavedConfiguration.Read(configuration.Bytes("the configuration", MostConfiguration), load) with { Serial = console };
        configuration.End("the configuration");
        _start = file.Length - reader.Left;
    }

    public SnapshotLoad Load { get; }

    /// <summary>What it is made of, with what <see cref="Load"/> puts in the place of some of it.</summary>
    public VmResources Resources { get; }

    /// <summary>What follows the configuration.</summary>
    public StateReader Records => new(_file.AsSpan(_start));

    /// <summary>Reads the file and checks it as a whole; its parts are checked as they are restored.</summary>
    /// <param name="console">Where it is to go in this process.</param>
    /// <exception cref="VmmFaultException">It is not whole, not ours, or what it is made of is not here.</exception>
    public static SavedMachine Open(SnapshotLoad load, Serial? console)
    {
        try
        {
            return Naming(load.SnapshotPath, () => new SavedMachine(load, console, StateFile.Read(load.SnapshotPath)));
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"snapshot_path: {cause.Message}", cause);
        }
    }

    /// <summary>What <paramref name="restore"/> finds wrong with the state is said of its file.</summary>
    public T Naming<T>(Func<T> restore) => Naming(Load.SnapshotPath, restore);

    /// <summary>The whole file for a machine that stands still.</summary>
    public static byte[] Save(VmResources resources, MicroVmParts parts, IReadOnlyList<Vcpu> vcpus)
    {
        var state = new StateWriter();
        state.Record(StateRecord.Configuration, ConfigurationVersion, record => record.Bytes(SavedConfiguration.Write(resources)));
        state.Record(StateRecord.Host, HostVersion, record => record.Items<kvm_cpuid_entry2>(parts.Support.HostCpuid.ToArray()));
        foreach (var vcpu in vcpus) SavedVcpu.Save(vcpu.Kvm, parts.Support, state);
        SavedChips.Save(parts.Vm, state);
        parts.Serial.Save(state);
        parts.Keyboard.Save(state);
        parts.Virtio.Save(state);
        return StateFile.Seal(state.Written.Span);
    }

    /// <returns>What the host it was taken on had for guests.</returns>
    public static IReadOnlyList<kvm_cpuid_entry2> ReadHost(ref StateReader state)
    {
        var record = state.Record(StateRecord.Host, HostVersion);
        var cpuid = record.Items<kvm_cpuid_entry2>("the host's CPUID", MostCpuid);
        record.End("the host");
        return cpuid;
    }

    private static T Naming<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (BadStateException problem)
        {
            throw new VmmFaultException($"snapshot_path: {path} {problem.Message}", problem);
        }
    }
}
