using System.Globalization;
using System.Text;

namespace RunnerVm.Images;

/// <summary>
/// Writes a "newc" cpio archive, the format the Linux kernel unpacks as initramfs
/// (Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to root and carries time 0, so equal
/// input gives equal bytes. Folders must be added before what is in them.
/// </summary>
internal sealed class CpioWriter
{
    private const int FolderMode = 0x4000;
    private const int CharacterDeviceMode = 0x2000;
    private const int RegularFileMode = 0x8000;
    private readonly Stream _stream;
    private int _inode;
    private long _written;

    public CpioWriter(Stream stream) => _stream = stream;

    public void AddFolder(string name, int permissions = 0b111_101_101) =>
        Add(name, FolderMode | permissions, links: 2, (0, 0), []);

    public void AddCharacterDevice(string name, int major, int minor, int permissions = 0b110_110_110) =>
        Add(name, CharacterDeviceMode | permissions, links: 1, (major, minor), []);

    public void AddFile(string name, int permissions, ReadOnlySpan<byte> content) =>
        Add(name, RegularFileMode | permissions, links: 1, (0, 0), content);

    /// <summary>Writes the end mark; nothing may be added afterwards.</summary>
    public void Finish()
    {
        _inode = -1;
        Add("TRAILER!!!", mode: 0, links: 1, (0, 0), []);
    }

    private void Add(string name, int mode, int links, (int Major, int Minor) device, ReadOnlySpan<byte> content)
    {
        var nameBytes = Encoding.UTF8.GetBytes(name + '\0');
        int[] fields =
        [
            ++_inode, mode, 0, 0, links, 0, content.Length, 0, 0, device.Major, device.Minor, nameBytes.Length, 0,
        ];
        var header = new StringBuilder("070701", 110);
        foreach (var field in fields) header.Append(CultureInfo.InvariantCulture, $"{field:x8}");
        Write(Encoding.ASCII.GetBytes(header.ToString()));
        Write(nameBytes);
        Align();
        Write(content);
        Align();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _written += bytes.Length;
    }

    private void Align() => Write(new byte[(4 - (_written & 3)) & 3]);
}
