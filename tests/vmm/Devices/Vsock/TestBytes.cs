namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Bytes that tell where they belong.</summary>
internal static class TestBytes
{
    public static byte[] Of(uint from, int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++)
        {
            var at = (uint)i + from;
            bytes[i] = (byte)((at * 2654435761u) >> 24);
        }

        return bytes;
    }
}
