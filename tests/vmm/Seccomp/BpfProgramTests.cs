using RunnerVm.Vmm.Monitor.Seccomp;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Libc;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>The filters as programs, without the rules for compiled code: as they are in the monitor that is shipped.</summary>
public sealed class BpfProgramTests
{
    private const int Calls = 600;
    private const int Tries = 200;

    public static TheoryData<string> Filters => ["process", "vcpu", "api"];

    [Theory]
    [MemberData(nameof(Filters))]
    public void Exactly_the_listed_calls_pass(string filter)
    {
        var (rules, program) = Load(filter);
        var random = new Random(1);
        for (uint number = 0; number < Calls; number++)
        {
            for (var i = 0; i < Tries; i++)
            {
                var arguments = Arguments(rules, number, random);
                Assert.Equal(Judge(rules, number, arguments), BpfMachine.Run(program, number, arguments));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public void Each_rule_lets_something_pass(string filter)
    {
        var (rules, program) = Load(filter);
        Assert.All(rules, rule =>
        {
            var arguments = new ulong[6];
            foreach (var check in rule.Checks) Satisfy(arguments, check);
            Assert.Equal(rule.Answer, BpfMachine.Run(program, (uint)rule.Call, arguments));
        });
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public void Other_architectures_and_x32_are_trapped(string filter)
    {
        var (_, program) = Load(filter);
        for (uint number = 0; number < Calls; number++)
        {
            Assert.Equal(LibC.SECCOMP_RET_TRAP, BpfMachine.Run(program, number, [], 0x40000003));
            Assert.Equal(LibC.SECCOMP_RET_TRAP, BpfMachine.Run(program, number | 0x40000000, []));
        }
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public void No_thread_can_start_a_program_or_thread_or_make_memory_executable(string filter)
    {
        var (_, program) = Load(filter);
        SystemCall[] never =
        [
            SystemCall.execve, SystemCall.execveat, SystemCall.fork, SystemCall.vfork, SystemCall.clone, SystemCall.clone3, SystemCall.ptrace, SystemCall.process_vm_writev,
            SystemCall.pkey_mprotect, SystemCall.memfd_create, SystemCall.io_uring_setup, SystemCall.bpf, SystemCall.userfaultfd, SystemCall.mount, SystemCall.setns, SystemCall.unshare,
        ];
        Assert.All(never, call => Assert.Equal(LibC.SECCOMP_RET_TRAP, BpfMachine.Run(program, (uint)call, [])));
        ulong[] executable = [0, 4096, LibC.PROT_READ | LibC.PROT_EXEC, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS];
        Assert.Equal(LibC.SECCOMP_RET_TRAP, BpfMachine.Run(program, (uint)SystemCall.mmap, executable));
        Assert.Equal(LibC.SECCOMP_RET_TRAP, BpfMachine.Run(program, (uint)SystemCall.mprotect, executable));
    }

    [Fact]
    public void Whatever_passes_a_threads_filter_passes_the_processs()
    {
        var (_, process) = Load("process");
        Assert.All([.. FilterRules.Vcpu, .. FilterRules.Api], rule =>
        {
            var arguments = new ulong[6];
            foreach (var check in rule.Checks) Satisfy(arguments, check);
            Assert.Equal(LibC.SECCOMP_RET_ALLOW, BpfMachine.Run(process, (uint)rule.Call, arguments));
        });
    }

    /// <summary>The table of vmm/DESIGN.md: | `call`, `call` | where | why |.</summary>
    [Theory]
    [InlineData("every thread")]
    [InlineData("vcpu")]
    [InlineData("api")]
    [InlineData("loop")]
    public void The_design_names_each_call_and_why(string where)
    {
        var rules = where switch
        {
            "vcpu" => FilterRules.OfVcpu, "api" => FilterRules.OfApi, "loop" => FilterRules.OfLoop, _ => FilterRules.OfEveryThread,
        };
        var rows = File.ReadLines(Path.Combine(Sources.Root, "vmm", "DESIGN.md"))
            .SkipWhile(static line => line != "| call | where | why |").Skip(2).TakeWhile(static line => line.StartsWith('|'))
            .Select(static line => line.Split('|', StringSplitOptions.TrimEntries)).ToList();
        var named = rows.Where(row => row[2].Split(", ").Contains(where))
            .SelectMany(static row => row[1].Split('`').Where(static (_, part) => part % 2 == 1));
        Assert.Equal(rules.Select(static rule => rule.Call.ToString()).Distinct().Order(StringComparer.Ordinal), named.Distinct().Order(StringComparer.Ordinal));
        Assert.All(rows, static row => Assert.True(row[3].Length > 0, string.Join('|', row)));
    }

    [Fact]
    public void A_vcpu_gets_to_its_guest_within_ten_instructions() =>
        Assert.Contains(BpfProgram.Assemble(FilterRules.Vcpu).Take(10), static instruction => instruction.k == (uint)KvmApi.KVM_RUN);

    private static (IReadOnlyList<CallRule> Rules, sock_filter[] Program) Load(string filter)
    {
        var rules = filter switch { "process" => FilterRules.Process, "vcpu" => FilterRules.Vcpu, _ => FilterRules.Api };
        return (rules, BpfProgram.Assemble(rules));
    }

    /// <summary>What the rules mean, without jumps.</summary>
    private static uint Judge(IReadOnlyList<CallRule> rules, uint number, ulong[] arguments) =>
        rules.FirstOrDefault(rule => (uint)rule.Call == number && rule.Checks.All(check => (Word(arguments, check.Word) & check.Mask) == check.Value))?.Answer
        ?? LibC.SECCOMP_RET_TRAP;

    private static uint Word(ulong[] arguments, int word) => (uint)(arguments[word / 2] >> (word % 2 * 32));

    /// <summary>Near the rules: satisfying one of them, with a bit turned over now and then.</summary>
    private static ulong[] Arguments(IReadOnlyList<CallRule> rules, uint number, Random random)
    {
        var arguments = new ulong[6];
        if (random.Next(2) == 0) random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(arguments.AsSpan()));
        var own = rules.Where(rule => (uint)rule.Call == number && rule.Checks.Length > 0).ToList();
        if (own.Count == 0) return arguments;
        foreach (var check in own[random.Next(own.Count)].Checks) Satisfy(arguments, check);
        if (random.Next(2) == 0) arguments[random.Next(6)] ^= 1ul << random.Next(64);
        return arguments;
    }

    private static void Satisfy(ulong[] arguments, ArgumentCheck check)
    {
        var shift = check.Word % 2 * 32;
        arguments[check.Word / 2] = (arguments[check.Word / 2] & ~((ulong)check.Mask << shift)) | ((ulong)check.Value << shift);
    }
}
