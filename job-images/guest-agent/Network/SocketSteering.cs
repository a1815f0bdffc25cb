using System.Buffers.Binary;
using System.Net;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using static RunnerVm.GuestAgent.Network.BpfAssembler;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// An sk_lookup program (Documentation/bpf/prog_sk_lookup.rst): when a packet looks for a listening socket, every
/// destination that is not one of the guest's own addresses ends at the agent's sockets, whatever the port. It holds
/// as long as the agent lives, since nobody closes the link.
/// </summary>
internal sealed unsafe class SocketSteering : IDisposable
{
    public const int TcpSlot = 0, Udp4Slot = 1, Udp6Slot = 2;

    private const int BPF_MAP_CREATE = 0, BPF_MAP_UPDATE_ELEM = 2, BPF_MAP_DELETE_ELEM = 3, BPF_PROG_LOAD = 5, BPF_LINK_CREATE = 28;
    private const int BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_SOCKMAP = 15;
    private const int BPF_PROG_TYPE_SK_LOOKUP = 30, BPF_SK_LOOKUP = 36;
    private const int AttributeSize = 128;
    private const int MaximumLocalAddresses = 4096;

    private readonly SafeFileHandle _sockets;
    private readonly SafeFileHandle _local;
    private SafeFileHandle? _program;
    private SafeFileHandle? _link;

    public SocketSteering()
    {
        _local = CreateMap(BPF_MAP_TYPE_HASH, keySize: 16, valueSize: 4, MaximumLocalAddresses, "Cannot create the map of local addresses");
        _sockets = CreateMap(BPF_MAP_TYPE_SOCKMAP, keySize: 4, valueSize: 4, 3, "Cannot create the map of sockets");
    }

    /// <summary>Connections to this address go their ordinary way.</summary>
    public void AddLocal(IPAddress address) => ChangeLocal(BPF_MAP_UPDATE_ELEM, address);

    /// <summary>It is an address like any other again; nothing happens when it was not local.</summary>
    public void RemoveLocal(IPAddress address) => ChangeLocal(BPF_MAP_DELETE_ELEM, address);

    /// <param name="fd">A listening TCP socket or a bound UDP socket; must stay open.</param>
    public void SetSocket(int slot, int fd)
    {
        var result = UpdateMap(BPF_MAP_UPDATE_ELEM, _sockets, BitConverter.GetBytes(slot), fd);
        NetworkCalls.Check(result, "Cannot put a socket into its map");
    }

    /// <summary>The network namespace of this process, to be opened while nobody moves /proc.</summary>
    public static SafeFileHandle OpenNamespace() => KernelFile.Open("/proc/self/ns/net", Libc.O_RDONLY);

    /// <summary>From here on the program decides, in the network namespace <paramref name="space"/>.</summary>
    public void Attach(SafeFileHandle space)
    {
        _program = Load(Program(Fd(_local), Fd(_sockets)));
        var attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        ((int*)attribute)[0] = Fd(_program);
        ((int*)attribute)[1] = Fd(space);
        ((int*)attribute)[2] = BPF_SK_LOOKUP;
        _link = Bpf(BPF_LINK_CREATE, attribute, "Cannot attach the steering program");
    }

    public void Dispose()
    {
        _link?.Dispose();
        _program?.Dispose();
        _sockets.Dispose();
        _local.Dispose();
    }

    /// <summary>The program; offsets are those of struct bpf_sk_lookup.</summary>
    internal static byte[] Program(int localMap, int socketMap)
    {
        const int family = 8, protocol = 12, localIp4 = 40, localIp6 = 44, localPort = 60;
        const int mapLookup = 1, skRelease = 86, skAssign = 124, skPass = 1;
        const int key = -16, slot = -24;
        var code = new BpfAssembler();
        code.Move(R6, R1);
        code.Load32(R7, R6, protocol);
        code.Load32(R2, R6, family);
        code.JumpIfEqual(R2, NetworkCalls.AF_INET6, "v6");
        code.JumpIfNotEqual(R2, NetworkCalls.AF_INET, "pass");

        // 127.0.0.0/8 never leaves; the rest becomes ::ffff:a.b.c.d, the key of the map. All of UDP: see UdpRedirect.
        code.Load32(R3, R6, localIp4);
        code.Move(R4, R3);
        code.And(R4, 0xFF);
        code.JumpIfEqual(R4, 127, "pass");
        code.Store32Value(FramePointer, key, 0);
        code.Store32Value(FramePointer, key + 4, 0);
        code.Store32Value(FramePointer, key + 8, unchecked((int)0xFFFF0000));
        code.Store32(FramePointer, key + 12, R3);
        code.Set(R8, Udp4Slot);
        code.JumpIfEqual(R7, 17, "check");
        code.Jump("tcp");

        // fe80::/10 is a matter of its link. UDP only to the DNS port: the kernel itself says "unreachable" to the rest.
        code.Label("v6");
        for (var word = 0; word < 16; word += 4)
        {
            code.Load32(R3, R6, localIp6 + word);
            code.Store32(FramePointer, key + word, R3);
        }

        code.Load32(R3, R6, localIp6);
        code.And(R3, 0xC0FF);
        code.JumpIfEqual(R3, 0x80FE, "pass");
        code.Set(R8, Udp6Slot);
        code.JumpIfNotEqual(R7, 17, "tcp");
        code.Load32(R3, R6, localPort);
        code.JumpIfEqual(R3, GuestNetwork.DnsPort, "check");
        code.Jump("pass");

        code.Label("tcp");
        code.JumpIfNotEqual(R7, 6, "pass");
        code.Set(R8, TcpSlot);

        code.Label("check");
        code.LoadMap(R1, localMap);
        code.Move(R2, FramePointer);
        code.Add(R2, key);
        code.Call(mapLookup);
        code.JumpIfNotEqual(R0, 0, "pass");
        code.Store32(FramePointer, slot, R8);
        code.LoadMap(R1, socketMap);
        code.Move(R2, FramePointer);
        code.Add(R2, slot);
        code.Call(mapLookup);
        code.JumpIfEqual(R0, 0, "pass");
        code.Move(R9, R0);
        code.Move(R1, R6);
        code.Move(R2, R9);
        code.Set(R3, 0);
        code.Call(skAssign);
        code.Move(R1, R9);
        code.Call(skRelease);

        code.Label("pass");
        code.Set(R0, skPass);
        code.Exit();
        return code.Assemble();
    }

    private static SafeFileHandle Load(byte[] code)
    {
        var attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        var log = new byte[16 * 1024];
        // SAFETY: all three are pinned or constant data for the length of the call.
        fixed (byte* instructions = code, license = "Dual MIT/GPL\0"u8, logStart = log)
        {
            ((int*)attribute)[0] = BPF_PROG_TYPE_SK_LOOKUP;
            ((int*)attribute)[1] = code.Length / 8;
            ((byte**)attribute)[1] = instructions;
            ((byte**)attribute)[2] = license;
            ((int*)attribute)[17] = BPF_SK_LOOKUP; // expected_attach_type
            var fd = NetworkCalls.syscall(NetworkCalls.SYS_bpf, BPF_PROG_LOAD, (nint)attribute, AttributeSize);
            if (fd >= 0) return new((nint)fd, ownsHandle: true);

            // Once more, for the verifier's reason.
            ((int*)attribute)[6] = 1;
            ((int*)attribute)[7] = log.Length;
            ((byte**)attribute)[4] = logStart;
            fd = NetworkCalls.syscall(NetworkCalls.SYS_bpf, BPF_PROG_LOAD, (nint)attribute, AttributeSize);
            var reason = System.Text.Encoding.ASCII.GetString(log).TrimEnd('\0');
            return new(NetworkCalls.Check(fd, $"Cannot load the steering program ({reason})"), ownsHandle: true);
        }
    }

    private static SafeFileHandle CreateMap(int type, int keySize, int valueSize, int entries, string attempt)
    {
        var attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        ((int*)attribute)[0] = type;
        ((int*)attribute)[1] = keySize;
        ((int*)attribute)[2] = valueSize;
        ((int*)attribute)[3] = entries;
        return Bpf(BPF_MAP_CREATE, attribute, attempt);
    }

    private void ChangeLocal(int command, IPAddress address)
    {
        var result = UpdateMap(command, _local, address.MapToIPv6().GetAddressBytes(), 1);
        if (command == BPF_MAP_UPDATE_ELEM) NetworkCalls.Check(result, "Cannot note a local address");
    }

    private static long UpdateMap(int command, SafeFileHandle map, byte[] key, int value)
    {
        var attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        // SAFETY: key is pinned and value on the stack for the length of the call.
        fixed (byte* keyStart = key)
        {
            ((int*)attribute)[0] = Fd(map);
            ((byte**)attribute)[1] = keyStart;
            if (command == BPF_MAP_UPDATE_ELEM) ((int**)attribute)[2] = &value;
            return NetworkCalls.syscall(NetworkCalls.SYS_bpf, command, (nint)attribute, AttributeSize);
        }
    }

    private static SafeFileHandle Bpf(int command, byte* attribute, string attempt) =>
        new(NetworkCalls.Check(NetworkCalls.syscall(NetworkCalls.SYS_bpf, command, (nint)attribute, AttributeSize), attempt), ownsHandle: true);

    private static int Fd(SafeFileHandle handle) => (int)handle.DangerousGetHandle();
}
