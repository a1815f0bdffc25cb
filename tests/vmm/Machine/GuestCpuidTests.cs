using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine.Cpu;
using RunnerVm.Vmm.Native.Kvm;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class GuestCpuidTests
{
    private const uint Amd = 0x68747541;
    private const uint Intel = 0x756e6547;

    [Theory]
    [InlineData(1, false, 1, 0, 0, 1)]
    [InlineData(2, false, 1, 0, 1, 2)]
    [InlineData(2, true, 2, 1, 1, 2)]
    [InlineData(3, false, 1, 0, 2, 4)]
    [InlineData(8, true, 2, 1, 3, 8)]
    [InlineData(32, false, 1, 0, 5, 32)]
    public void The_topology_leaves_agree(int vcpus, bool smt, uint threads, uint threadBits, uint packageBits, uint ids)
    {
        var entries = Make(Intel, vcpus, smt);
        Assert.Equal((threadBits, threads, 0x100u), (Leaf(entries, 0xb, 0).eax, Leaf(entries, 0xb, 0).ebx, Leaf(entries, 0xb, 0).ecx));
        Assert.Equal((packageBits, (uint)vcpus, 0x201u), (Leaf(entries, 0xb, 1).eax, Leaf(entries, 0xb, 1).ebx, Leaf(entries, 0xb, 1).ecx));
        Assert.Equal(ids, (Leaf(entries, 1).ebx >> 16) & 0xff);
        Assert.Equal(vcpus > 1, (Leaf(entries, 1).edx & (1 << 28)) != 0);
        var (first, third) = (Leaf(entries, 4, 0).eax, Leaf(entries, 4, 3).eax);
        Assert.Equal((threads, ids), (((first >> 14) & 0xfff) + 1, ((third >> 14) & 0xfff) + 1));
        Assert.Equal(ids >> (int)threadBits, (first >> 26) + 1);
    }

    [Theory]
    [InlineData(1, false, 0, 0)]
    [InlineData(4, true, 1, 0x2003)]
    [InlineData(5, false, 0, 0x3004)]
    public void The_topology_of_AMD_too(int vcpus, bool smt, uint moreThreads, uint size)
    {
        var entries = Make(Amd, vcpus, smt);
        Assert.Equal(size, Leaf(entries, 0x8000_0008).ecx);
        Assert.Equal(moreThreads, Leaf(entries, 0x8000_001e).ebx >> 8);
        var last = GuestCpuid.ForVcpu(entries, vcpus - 1);
        Assert.Equal((uint)(vcpus - 1), Leaf(last, 0x8000_001e).eax);
        Assert.Equal((uint)(vcpus - 1) / (moreThreads + 1), Leaf(last, 0x8000_001e).ebx & 0xff);
    }

    [Fact]
    public void Each_vCPU_has_its_own_APIC_id_everywhere()
    {
        var own = GuestCpuid.ForVcpu(Make(Intel, 8, smt: false), 5);
        Assert.Equal(5u, Leaf(own, 1).ebx >> 24);
        Assert.Equal(5u, Leaf(own, 0xb, 0).edx);
        Assert.Equal(5u, Leaf(own, 0xb, 1).edx);
    }

    [Fact]
    public void The_guest_sees_a_hypervisor_and_a_deadline_timer_but_not_the_hosts_model_or_counters()
    {
        var entries = Make(Intel, 1, smt: false);
        Assert.NotEqual(0u, Leaf(entries, 1).ecx & (1u << 31));
        Assert.NotEqual(0u, Leaf(entries, 1).ecx & (1 << 24));
        Assert.Equal(0u, Leaf(entries, 1).ecx & (1 << 3));
        Assert.Equal("KVMKVMKVM\0\0\0", Text(Leaf(entries, 0x4000_0000), static e => [e.ebx, e.ecx, e.edx]));
        Assert.DoesNotContain(entries, static entry => entry.function is 0xa or 0x10 or 0x14);
        Assert.Equal(4u, Leaf(entries, 6).eax);
        var brand = string.Concat(new uint[] { 0x8000_0002, 0x8000_0003, 0x8000_0004 }.Select(leaf => Text(Leaf(entries, leaf), static e => [e.eax, e.ebx, e.ecx, e.edx])));
        Assert.Equal("Intel(R) Xeon(R) Processor", brand.TrimEnd('\0'));
    }

    [Fact]
    public void The_guest_is_shown_just_that()
    {
        var resources = new VmResources { Machine = new() { VcpuCount = 4, Smt = true } };
        var console = RunningGuest.Run(FreestandingGuest.Build("topology"), resources).Console.Split('\n');
        Assert.StartsWith("0xb.0 0x1 0x2 0x100", console[2], StringComparison.Ordinal);
        Assert.StartsWith("0xb.1 0x2 0x4 0x201", console[3], StringComparison.Ordinal);
        Assert.Equal("mtrr=0x806", console[8]);
        Assert.Equal("PASS", console[9]);
    }

    [Theory]
    [InlineData("0b1", 0b1, 0b1)]
    [InlineData("0b1x0", 0b101, 0b100)]
    [InlineData("0bxx_xx01", 0b11, 0b01)]
    [InlineData("0b11111111111111111111111111111111", uint.MaxValue, uint.MaxValue)]
    public void A_bitmap_changes_the_bits_it_names(string text, ulong mask, ulong value) =>
        Assert.Equal(new BitPattern(mask, value), BitPattern.Parse(text, 32, "f"));

    [Theory]
    [InlineData("")]
    [InlineData("0b")]
    [InlineData("1x0")]
    [InlineData("0b2")]
    [InlineData("0bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
    public void A_bitmap_that_is_none_names_its_field(string text) =>
        Assert.StartsWith("f: \"" + text, Assert.Throws<VmmFaultException>(() => BitPattern.Parse(text, 32, "f")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_template_changes_leaves_and_names_those_that_are_not_there()
    {
        var entries = Make(Intel, 1, smt: false);
        new CpuTemplate(Template("0x1", "0x0", "ecx", "0b0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1")).Apply(entries);
        Assert.Equal(1u, Leaf(entries, 1).ecx & 0x8000_0001);
        var fault = Assert.Throws<VmmFaultException>(() => new CpuTemplate(Template("0x7", "0x5", "eax", "0b1")).Apply(entries));
        Assert.Equal("cpuid_modifiers: leaf 0x7, subleaf 0x5 with flags 0 is not among what KVM supports here. Take it out.", fault.Message);
    }

    [Theory]
    [InlineData("7", "0x0", "eax", "0b1", "cpuid_modifiers.leaf")]
    [InlineData("0x7", "x", "eax", "0b1", "cpuid_modifiers.subleaf")]
    [InlineData("0x7", "0x0", "rax", "0b1", "cpuid_modifiers[0x7].modifiers.register")]
    [InlineData("0x7", "0x0", "eax", "b1", "cpuid_modifiers[0x7].modifiers[eax].bitmap")]
    public void A_template_that_cannot_be_read_names_its_field(string leaf, string subleaf, string register, string bitmap, string field) =>
        Assert.StartsWith(field + ": ", Assert.Throws<VmmFaultException>(() => new CpuTemplate(Template(leaf, subleaf, register, bitmap))).Message, StringComparison.Ordinal);

    [Fact]
    public void Registers_of_a_template_reach_the_guest()
    {
        var resources = new VmResources { Cpu = new() { MsrModifiers = [new("0x2ff", "0b01xxxxxxxxxx")] } };
        Assert.Contains("mtrr=0x406\n", RunningGuest.Run(FreestandingGuest.Build("topology"), resources).Console, StringComparison.Ordinal);
        var wrong = new VmResources { Cpu = new() { MsrModifiers = [new("0xdeadbeef", "0b1")] } };
        Assert.StartsWith("msr_modifiers: ", Assert.Throws<VmmFaultException>(() => RunningGuest.Build(FreestandingGuest.Build("topology"), wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_capability_that_KVM_does_not_have_is_named()
    {
        FreestandingGuest.RequireKvm();
        var resources = new VmResources { Cpu = new() { KvmCapabilities = ["99999"] } };
        var fault = Assert.Throws<VmmFaultException>(() => RunningGuest.Build(FreestandingGuest.Build("hello"), resources));
        Assert.Equal("kvm_capabilities: this host's KVM does not have capability 99999. Use a kernel that has it.", fault.Message);
        Assert.StartsWith("kvm_capabilities: \"x\"", Assert.Throws<VmmFaultException>(() => new CpuTemplate(new() { KvmCapabilities = ["x"] })).Message, StringComparison.Ordinal);
    }

    private static CpuConfiguration Template(string leaf, string subleaf, string register, string bitmap) =>
        new() { CpuidModifiers = [new() { Leaf = leaf, Subleaf = subleaf, Flags = 0, Modifiers = [new(register, bitmap)] }] };

    /// <summary>A host with a cache of each level, performance counters and a brand of its own.</summary>
    private static kvm_cpuid_entry2[] Make(uint vendor, int vcpus, bool smt)
    {
        kvm_cpuid_entry2[] host =
        [
            new() { function = 0, eax = 0x1f, ebx = vendor },
            new() { function = 1, ecx = 1 << 3, edx = 1 << 28 },
            new() { function = 4, index = 0, flags = 1, eax = 0xfc00_c121 },
            new() { function = 4, index = 3, flags = 1, eax = 0xfc00_c163 },
            new() { function = 6, eax = 0x77, ebx = 2, ecx = 9 },
            new() { function = 0xa, eax = 0x0730_0404 },
            new() { function = 0xb, flags = 1, eax = 1, ebx = 2 },
            new() { function = 0x10 },
            new() { function = 0x14 },
            new() { function = 0x4000_0000, eax = 0x4000_0001, ebx = 0x4b4d564b, ecx = 0x564b4d56, edx = 0x4d },
            new() { function = 0x8000_0001 },
            new() { function = 0x8000_0002, eax = 0x41414141 },
            new() { function = 0x8000_0003, eax = 0x41414141 },
            new() { function = 0x8000_0004, eax = 0x41414141 },
            new() { function = 0x8000_0008, ecx = 0x7007 },
            new() { function = 0x8000_001e, eax = 77, ebx = 0x0107 },
        ];
        return new GuestCpuid(host, new(vcpus, smt), tscDeadlineTimer: true).Common;
    }

    private static kvm_cpuid_entry2 Leaf(kvm_cpuid_entry2[] entries, uint function, uint index = 0) =>
        Assert.Single(entries, entry => entry.function == function && entry.index == index);

    private static string Text(kvm_cpuid_entry2 entry, Func<kvm_cpuid_entry2, uint[]> registers) =>
        Encoding.ASCII.GetString([.. registers(entry).SelectMany(BitConverter.GetBytes)]);
}
