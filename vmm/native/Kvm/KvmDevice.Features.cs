using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

// What this KVM can do.
internal sealed partial class KvmDevice
{
    /// <summary>Above what any processor has; KVM answers E2BIG when it is not.</summary>
    private const int MostCpuidEntries = 256;
    private const int MostMsrs = 1024;

    /// <summary>KVM_CHECK_EXTENSION: zero when it is missing, else its version or measure.</summary>
    public int CheckExtension(int capability)
    {
        using var fd = _fd.Borrow();
        var answer = LibC.ioctl(fd.Fd, KvmApi.KVM_CHECK_EXTENSION, (nuint)capability);
        return answer >= 0 ? answer : throw LinuxException.Last($"ask /dev/kvm for capability {capability}");
    }

    /// <summary>What host and KVM can show a guest.</summary>
    public unsafe kvm_cpuid_entry2[] SupportedCpuid()
    {
        var bytes = new byte[sizeof(kvm_cpuid2) + (MostCpuidEntries * sizeof(kvm_cpuid_entry2))];
        MemoryMarshal.Write(bytes, new kvm_cpuid2 { nent = MostCpuidEntries });
        using var fd = _fd.Borrow();
        // SAFETY: the array is pinned for the call; KVM writes at most as many entries as its head says.
        fixed (byte* argument = bytes)
        {
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_SUPPORTED_CPUID, argument) != 0) throw LinuxException.Last("ask /dev/kvm for the CPUID it supports");
        }

        var count = (int)MemoryMarshal.Read<kvm_cpuid2>(bytes).nent;
        return MemoryMarshal.Cast<byte, kvm_cpuid_entry2>(bytes.AsSpan(sizeof(kvm_cpuid2)))[..count].ToArray();
    }

    /// <summary>The model specific registers KVM can save and restore.</summary>
    public unsafe uint[] SupportedMsrs()
    {
        var list = new uint[1 + MostMsrs];
        list[0] = MostMsrs;
        using var fd = _fd.Borrow();
        // SAFETY: the array is pinned for the call; KVM writes at most as many entries as its head says.
        fixed (uint* argument = list)
        {
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_MSR_INDEX_LIST, argument) != 0) throw LinuxException.Last("ask /dev/kvm for its model specific registers");
        }

        return list.AsSpan(1, (int)list[0]).ToArray();
    }
}
