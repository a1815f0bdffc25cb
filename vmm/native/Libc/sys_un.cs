using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Libc;

/// <summary>The address of a Unix socket: a path that ends in a zero byte.</summary>
internal struct sockaddr_un
{
    public ushort sun_family;
    public sun_path sun_path;
}

[InlineArray(108)]
internal struct sun_path
{
    private byte _element;
}
